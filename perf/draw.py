"""Draws what the scripts here measured: a flame graph page, a picture of latencies.

  draw.py on-cpu TITLE FILE.html NAMES [FOLDED]   reads `perf script -F comm,pid,tid,time,event,ip,sym`
  draw.py off-cpu TITLE FILE.html NAMES [FOLDED]  the same of switches, with --show-switch-events
  draw.py latency TITLE FILE.svg                  reads what perf_driver prints at a rate
"""
import html
import json
import math
import re
import sys

PAGE = """<!DOCTYPE html><meta charset="utf-8"><title>%(title)s</title>
<style>
 body { font: 13px sans-serif; margin: 12px } #graph { position: relative }
 .f { position: absolute; height: 17px; overflow: hidden; white-space: nowrap; cursor: pointer;
      border: 1px solid #fff; box-sizing: border-box; padding: 0 3px; border-radius: 2px }
 .f:hover { border-color: #000 } .hit { outline: 2px solid #06c; z-index: 1 }
</style>
<h3>%(title)s: %(total)s</h3>
<p><input id="search" placeholder="search (regular expression)"> <span id="share"></span>
 <button id="reset">whole graph</button> <span id="about"></span></p>
<div id="graph"></div>
<script>
const root = %(tree)s;
const graph = document.getElementById('graph'), height = 18;
let top_ = root, pattern = null;
const colour = name => { let h = 0; for (const c of name) h = (h * 31 + c.charCodeAt(0)) %% 997;
  return `hsl(${10 + h %% 45},${70 + h %% 25}%%,${62 + h %% 18}%%)`; };
function depth(n) { return 1 + Math.max(0, ...n.c.map(depth)); }
function draw() {
  graph.textContent = '';
  const levels = depth(top_), width = graph.clientWidth || 1000;
  graph.style.height = levels * height + 'px';
  let hits = 0;
  (function place(n, x, level, inside) {
    const w = n.v / top_.v * width;
    const hit = pattern && pattern.test(n.n);
    if (hit && !inside) hits += n.v;
    if (w < 0.7) return;
    const box = document.createElement('div');
    box.className = 'f' + (hit ? ' hit' : '');
    box.textContent = w > 30 ? n.n : '';
    box.title = `${n.n}\\n${n.v} %(unit)s, ${(100 * n.v / root.v).toFixed(2)} %%`;
    box.style = `left:${x}px;width:${w}px;top:${(levels - 1 - level) * height}px;` +
                `background:${colour(n.n)}`;
    box.onclick = () => { top_ = n; draw(); };
    graph.appendChild(box);
    let at = x;
    for (const child of n.c) { place(child, at, level + 1, inside || hit);
                               at += child.v / top_.v * width; }
  })(top_, 0, 0, false);
  document.getElementById('share').textContent =
    pattern ? `matches ${(100 * hits / top_.v).toFixed(1)} %%` : '';
  document.getElementById('about').textContent = top_ === root ? '' : `zoomed: ${top_.n}`;
}
document.getElementById('search').oninput = e => {
  try { pattern = e.target.value ? new RegExp(e.target.value) : null; } catch { return; } draw(); };
document.getElementById('reset').onclick = () => { top_ = root; draw(); };
window.onresize = draw; draw();
</script>
"""


def short(symbol):
    symbol = re.sub(r"\(anonymous namespace\)::|casbook::", "", symbol)
    return re.sub(r"\(.*", "", symbol).rstrip() or symbol


HEAD = re.compile(r"^(.*\S)\s+(\d+)/(\d+)\s+([\d.]+):\s+(.*\S)\s*$")
OUTER = {"_start", "__libc_start_main_impl", "__libc_start_call_main", "start_thread", "clone3",
         "__clone3", "execute_native_thread_routine"}


def read_events(lines):
    """What perf prints: a line for each event, and the stack below it, innermost frame first."""
    head, stack = None, []
    for line in lines:
        found = None if line[:1] in ("\t", "\n", " ") else HEAD.match(line)
        if found:
            if head:
                yield head, stack
            head, stack = found.groups(), []
        else:
            parts = line.split(None, 1)
            if len(parts) == 2 and (frame := short(parts[1].strip())) not in OUTER:
                stack.append(frame)
    if head:
        yield head, stack


NAMES = {}


def read_names(path):
    """What the driver prints: lines "process PID NAME"."""
    with open(path, encoding="utf-8") as lines:
        for words in (line.split(None, 2) for line in lines):
            if len(words) == 3 and words[0] == "process":
                NAMES[words[1]] = words[2].strip()


def processes(head):
    """A frame for the process, and one for the thread, which may have a name of its own."""
    comm, pid, tid = head[0], head[1], head[2]
    name = "io worker" if comm.startswith("iou-wrk") else comm
    return [NAMES.get(pid, f"process {pid}"),
            name if pid != tid or name == "io worker" else f"{name}, main"]


def on_cpu(lines):
    for head, stack in read_events(lines):
        if head[4].startswith("cpu-clock"):
            yield processes(head) + stack[::-1], 1


def off_cpu(lines):
    """Of each switch from which the thread came back: where it stood, and how long."""
    left = {}  # by thread: stack, when, why
    for head, stack in read_events(lines):
        thread, now, event = head[2], float(head[3]), head[4]
        if event.startswith("sched:sched_switch"):
            left[thread] = [stack, now, "blocked"]
        elif thread in left and "OUT" in event:
            if "preempt" in event:
                left[thread][2] = "waits for a processor"
        elif thread in left and " IN" in event:
            stack, since, why = left.pop(thread)
            while stack and stack[0] in ("__schedule", "schedule", "schedule_timeout"):
                stack.pop(0)
            yield [why] + processes(head) + stack[::-1], max(0, round((now - since) * 1e6))


def flamegraph(stacks, unit, title, path, names, folded=None):
    read_names(names)
    root = {"n": "all", "v": 0, "children": {}}
    sums = {}
    for stack, weight in stacks:
        node = root
        node["v"] += weight
        for frame in stack:
            node = node["children"].setdefault(frame, {"n": frame, "v": 0, "children": {}})
            node["v"] += weight
        text = ";".join(stack)
        sums[text] = sums.get(text, 0) + weight
    if root["v"] == 0:
        sys.exit("draw.py: no samples")

    def pack(node):
        children = sorted(node["children"].values(), key=lambda child: child["n"])
        return {"n": node["n"], "v": node["v"], "c": [pack(child) for child in children]}

    with open(path, "w", encoding="utf-8") as page:
        page.write(PAGE % {"title": html.escape(title), "total": f"{root['v']:,} {unit}",
                           "unit": unit, "tree": json.dumps(pack(root)).replace("</", "<\\/")})
    if folded:
        with open(folded, "w", encoding="utf-8") as text:
            text.writelines(f"{stack} {weight}\n" for stack, weight in sorted(sums.items()))


def read_histograms(lines):
    curves, counts, name = {}, {}, None
    for line in lines:
        words = line.split()
        if len(words) == 1:
            name = words[0]
            curves[name] = []
        elif words[0] == "count":
            counts[name] = int(words[1])
        else:
            curves[name].append((float(words[0]), int(words[1])))
    return curves, counts


def at_quantile(curve, wanted):
    return next(ns for quantile, ns in curve if quantile >= wanted)


def latency(title, path):
    curves, counts = read_histograms(sys.stdin)
    wanted = [0.5, 0.9, 0.99, 0.999, 0.9999, 1.0]
    print(f"{title}, ns        " + "".join(f"{'max' if q == 1 else f'p{q * 100:g}':>10}"
                                           for q in wanted))
    for name, label in (("since_due", "since it was due"), ("taken", "taken by itself")):
        print(f"{label:<{len(title) + 12}}" +
              "".join(f"{at_quantile(curves[name], q):>10}" for q in wanted))
    print(f"{counts['taken']} operations")
    width, height, left, bottom = 860, 420, 70, 40
    most = max(ns for curve in curves.values() for _, ns in curve)
    decades = max(2, math.ceil(math.log10(most + 1)))

    def place(quantile, ns):
        nines = min(5.0, -math.log10(max(1e-5, 1 - quantile)))
        x = left + nines / 5 * (width - left - 20)
        return x, height - bottom - math.log10(max(ns, 1)) / decades * (height - bottom - 20)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>',
             f'<text x="{left}" y="16">{html.escape(title)}: latency by percentile</text>']
    for power in range(decades + 1):
        y = place(0, 10 ** power)[1]
        parts.append(f'<path d="M{left} {y}H{width - 20}" stroke="#ddd"/>'
                     f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{10 ** power:,} ns</text>')
    for quantile, label in ((0, "0"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"),
                            (1, "max")):
        x = place(quantile, 1)[0]
        parts.append(f'<path d="M{x} 20V{height - bottom}" stroke="#ddd"/>'
                     f'<text x="{x}" y="{height - 20}" text-anchor="middle">{label}</text>')
    for (name, colour), label in zip((("since_due", "#c33"), ("taken", "#36c")),
                                     ("since it was due", "taken by itself")):
        points = " ".join("%.1f,%.1f" % place(q, ns) for q, ns in curves[name])
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{width - 130}" y="{40 if name == "since_due" else 58}" '
                     f'fill="{colour}">{label}</text>')
    with open(path, "w", encoding="utf-8") as picture:
        picture.write("".join(parts) + "</svg>\n")


KINDS = {
    "on-cpu": lambda *names: flamegraph(on_cpu(sys.stdin), "samples", *names),
    "off-cpu": lambda *names: flamegraph(off_cpu(sys.stdin), "us", *names),
    "latency": latency,
}
KINDS[sys.argv[1]](*sys.argv[2:])
