/** Write times and ages. Instants are milliseconds since 1970 here; the API's microseconds are divided on arrival. */

import { chosen } from "./prefs.js";

let offset = 0; // the server's clock less ours [ms]

/** Set our clock by the server's. */
export function setClock(text) {
  offset = Date.parse(text) - Date.now();
}

/** Give the server's time now [ms]. */
export function now() {
  return Date.now() + offset;
}

/** Name the zone that times are written in. */
export function zoneName() {
  return chosen().clock === "local" ? Intl.DateTimeFormat().resolvedOptions().timeZone : "UTC";
}

/** Write a moment as date and time, to the second. */
export function stamp(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return "–";
  const p = parts(ms);
  return `${p.year}-${p.month}-${p.day} ${p.hour}:${p.minute}:${p.second}`;
}

/** Write a moment as time of day, with the date where it is another day. */
export function clockTime(ms) {
  const p = parts(ms);
  const today = parts(now());
  const day = p.day === today.day && p.month === today.month ? "" : `${p.month}-${p.day} `;
  return `${day}${p.hour}:${p.minute}`;
}

/** Write how long ago a moment was. */
export function age(ms) {
  const seconds = Math.max(0, Math.round((now() - ms) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

/** Write a moment as RFC 3339 in UTC with all its microseconds. */
export function rfc(us) {
  const whole = new Date(Math.floor(us / 1000)).toISOString().slice(0, 19);
  const fraction = String(us % 1_000_000).padStart(6, "0");
  return fraction === "000000" ? `${whole}Z` : `${whole}.${fraction}Z`;
}

/** Read RFC 3339 as microseconds, which Date cannot hold in full. */
export function microseconds(text) {
  const match = /\.(\d+)/.exec(text);
  const fraction = match ? Number(match[1].padEnd(6, "0").slice(0, 6)) : 0;
  return Date.parse(text.replace(/\.\d+/, "")) * 1000 + fraction;
}

function parts(ms) {
  const date = new Date(ms);
  const local = chosen().clock === "local";
  const two = (value) => String(value).padStart(2, "0");
  return local
    ? { year: date.getFullYear(), month: two(date.getMonth() + 1), day: two(date.getDate()), hour: two(date.getHours()), minute: two(date.getMinutes()), second: two(date.getSeconds()) }
    : { year: date.getUTCFullYear(), month: two(date.getUTCMonth() + 1), day: two(date.getUTCDate()), hour: two(date.getUTCHours()), minute: two(date.getUTCMinutes()), second: two(date.getUTCSeconds()) };
}
