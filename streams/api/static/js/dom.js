/** Make elements. Whatever comes from outside becomes a text node, never markup. */

const SVG = "http://www.w3.org/2000/svg";

/** Make an element: `props` are `on...` listeners, `class`, `data-...`, `aria-...` or plain attributes. */
export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** Make an SVG element. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/** Replace all children. */
export function put(parent, ...children) {
  parent.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

/** Draw the inside of a box anew and leave the person where they were: focus and sideways scrolling stay. */
export function keeping(box, draw) {
  const stops = () => [...box.querySelectorAll("button, input, [tabindex]")];
  const wide = () => [...box.querySelectorAll(".scroll, .wide-table")];
  const held = stops().indexOf(document.activeElement);
  const places = wide().map((one) => one.scrollLeft);
  draw();
  if (held >= 0 && !box.contains(document.activeElement)) stops()[held]?.focus({ preventScroll: true });
  wide().forEach((one, i) => { one.scrollLeft = places[i] ?? 0; });
}

/** Set text only where it differs, so that nothing is announced or laid out twice. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Find one element by id. */
export function find(id) {
  return document.getElementById(id);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}
