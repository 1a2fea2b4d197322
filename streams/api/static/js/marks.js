/** What is drawn on a chart beside uPlot's own lines: phases, events, measured points, the moment looked at. */

const FACTS = {
  feed_added: { word: "Feed", draw: triangle },
  sample_drawn: { word: "Sample", draw: diamond },
  assay_resulted: { word: "Assay", draw: null },
  assay_superseded: { word: "Assay superseded", draw: null },
  assay_withdrawn: { word: "Assay withdrawn", draw: cross },
  batch_started: { word: "Batch started", draw: null },
  batch_ended: { word: "Batch ended", draw: null },
  phase_changed: { word: "Phase", draw: null },
  probe_calibrated: { word: "Probe calibrated", draw: null },
  probe_changed: { word: "Probe changed", draw: null },
  inoculated: { word: "Inoculated", draw: null },
  medium_exchanged: { word: "Medium exchanged", draw: null },
  held: { word: "Held", draw: null },
  resumed: { word: "Resumed", draw: null },
};

/** Name a fact's type in words. */
export function factWord(type) {
  const name = type.split(".").pop();
  return FACTS[name]?.word || name;
}

/** Read a colour of the page's theme. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Paint phases as bands with their names, alternately. */
export function paintPhases(u, phases, named) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textBaseline = "top";
  ctx.textAlign = "left";
  phases.forEach((phase, i) => {
    const left = u.valToPos(phase.from, "x", true);
    const right = u.valToPos(phase.to, "x", true);
    ctx.fillStyle = colour(i % 2 ? "phase-b" : "phase-a");
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    const from = Math.max(left, bbox.left) + 5 * devicePixelRatio;
    if (named && right - from > ctx.measureText(phase.name).width) {
      ctx.fillStyle = colour("soft");
      ctx.fillText(phase.name, from, bbox.top + 7 * devicePixelRatio);
    }
  });
  ctx.restore();
}

/** Paint feeds, samples and assays as shapes along the bottom. */
export function paintFacts(u, facts) {
  const { ctx, bbox } = u;
  const size = 4 * devicePixelRatio;
  ctx.save();
  let before = -Infinity; // feeds may come by the hundred: only as many as can be told apart
  for (const fact of facts) {
    const draw = FACTS[fact.type.split(".").pop()]?.draw;
    const x = u.valToPos(fact.t / 1e6, "x", true);
    if (!draw || x < bbox.left || x > bbox.left + bbox.width) continue;
    if (draw === triangle && x - before < 2.6 * size) continue;
    if (draw === triangle) before = x;
    const assay = fact.type.includes("assay");
    ctx.strokeStyle = colour(assay ? "assay" : "soft");
    ctx.fillStyle = ctx.strokeStyle;
    ctx.lineWidth = 1.3 * devicePixelRatio;
    draw(ctx, x, bbox.top + bbox.height - (draw === triangle ? 1.5 : 4.2) * size, size, !assay);
  }
  ctx.restore();
}

/** Paint measured points: good as rings, uncertain as triangles, bad as crosses, assays as filled squares. */
export function paintPoints(u, points, after) {
  const { ctx, bbox } = u;
  const dense = points.length > bbox.width / devicePixelRatio / 2.5;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.lineWidth = 1.1 * devicePixelRatio;
  const measured = colour("measured");
  const assay = colour("assay");
  const bad = colour("high");
  for (const point of points) {
    const x = u.valToPos(point.t / 1e6, "x", true);
    const y = u.valToPos(point.value, point.scale || "y", true);
    if (x < bbox.left - 9 || x > bbox.left + bbox.width + 9) continue;
    const size = devicePixelRatio * (point.look === "assay" ? 4.5 : dense && point.look === "good" ? 1.3 : 2.6);
    ctx.globalAlpha = after !== null && point.t > after ? 0.35 : point.look === "good" ? 0.85 : 1;
    ctx.strokeStyle = { assay, bad, refused: bad, reopened: colour("medium") }[point.look] || measured;
    ctx.fillStyle = ctx.strokeStyle;
    SHAPES[point.look](ctx, x, y, size);
  }
  ctx.restore();
}

/** Paint the moment looked at, or the present, as an upright line. */
export function paintMoment(u, us, live) {
  const { ctx, bbox } = u;
  const x = u.valToPos(us / 1e6, "x", true);
  if (x < bbox.left || x > bbox.left + bbox.width) return;
  ctx.save();
  ctx.strokeStyle = colour(live ? "edge" : "asof");
  ctx.lineWidth = (live ? 1 : 2) * devicePixelRatio;
  ctx.setLineDash(live ? [3 * devicePixelRatio, 4 * devicePixelRatio] : []);
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

/** Paint a level across, with its meaning. */
export function paintLevel(u, value, text, scale = "y") {
  const { ctx, bbox } = u;
  const y = u.valToPos(value, scale, true);
  if (y < bbox.top || y > bbox.top + bbox.height) return;
  ctx.save();
  ctx.strokeStyle = colour("edge");
  ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.fillStyle = colour("soft");
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = "right";
  ctx.textBaseline = "bottom";
  ctx.fillText(text, bbox.left + bbox.width - 6 * devicePixelRatio, y - 3 * devicePixelRatio);
  ctx.restore();
}

const SHAPES = {
  good: ring,
  uncertain: (ctx, x, y, size) => triangle(ctx, x, y, size * 1.4, false),
  bad: cross,
  assay: (ctx, x, y, size) => square(ctx, x, y, size, false),
  refused: (ctx, x, y, size) => cross(ctx, x, y, size * 1.7),
  reopened: (ctx, x, y, size) => diamond(ctx, x, y, size * 1.6, false),
};

function ring(ctx, x, y, size) {
  ctx.beginPath();
  ctx.arc(x, y, size, 0, 2 * Math.PI);
  ctx.stroke();
}

function triangle(ctx, x, y, size, hollow) {
  polygon(ctx, [[x, y - size], [x + size, y + size], [x - size, y + size]], hollow);
}

function diamond(ctx, x, y, size, hollow) {
  polygon(ctx, [[x, y - size], [x + size, y], [x, y + size], [x - size, y]], hollow);
}

function square(ctx, x, y, size, hollow) {
  polygon(ctx, [[x - size, y - size], [x + size, y - size], [x + size, y + size], [x - size, y + size]], hollow);
}

function cross(ctx, x, y, size) {
  ctx.beginPath();
  ctx.moveTo(x - size, y - size);
  ctx.lineTo(x + size, y + size);
  ctx.moveTo(x + size, y - size);
  ctx.lineTo(x - size, y + size);
  ctx.stroke();
}

function polygon(ctx, corners, hollow) {
  ctx.beginPath();
  corners.forEach(([x, y], i) => (i ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
  ctx.closePath();
  if (hollow) ctx.stroke();
  else ctx.fill();
}
