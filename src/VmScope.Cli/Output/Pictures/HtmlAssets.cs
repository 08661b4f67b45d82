namespace VmScope.Cli.Output.Pictures;

/// <summary>Style sheet and script of the HTML report. Both work on what the page holds; nothing is fetched.</summary>
internal static class HtmlAssets
{
    internal const string Style = """
        :root{color-scheme:light}
        body{font:14px/1.45 sans-serif;color:#000;background:#fff;max-width:1200px;margin:1.2em auto;padding:0 1em}
        h1{font-size:1.3em;margin:.2em 0 .6em}
        h2{font-size:1.05em;margin:1.4em 0 .3em}
        .verdict{border:1px solid #000;padding:.6em 1em;overflow-wrap:anywhere}
        .verdict.Problem{border-width:3px}
        .verdict.Note{border-style:dashed}
        .verdict strong{font-size:1.1em}
        .verdict ul{margin:.5em 0 0;padding-left:1.3em}
        figure{margin:1.2em 0 .4em}
        figcaption{font-weight:bold;margin-bottom:.3em}
        svg.bar{width:100%;height:auto;display:block;touch-action:none;overflow:visible}
        svg.patterns{position:absolute;width:0;height:0}
        svg.key{width:28px;height:18px;vertical-align:-3px;margin-right:4px}
        .detail{font:12px/1.5 monospace;min-height:3em;white-space:pre-wrap;overflow-wrap:anywhere}
        .tools button,.legend button{font:inherit;border:1px solid #888;background:#fff;padding:1px 8px;margin-right:4px;cursor:pointer}
        .legend button{border-color:#fff;text-align:left;overflow-wrap:anywhere}
        .legend button[aria-pressed=true]{border-color:#000;font-weight:bold}
        .scroll{overflow-x:auto}
        table{border-collapse:collapse;font:12px/1.5 monospace}
        th,td{padding:1px 10px 1px 0;text-align:left;vertical-align:top;white-space:nowrap}
        td.right,th.right{text-align:right}
        td:last-child{white-space:normal;overflow-wrap:anywhere}
        thead th{border-bottom:1px solid #000;cursor:pointer;user-select:none}
        thead th[aria-sort=ascending]::after{content:" \2191"}
        thead th[aria-sort=descending]::after{content:" \2193"}
        input{font:inherit;border:1px solid #888;padding:1px 4px}
        .notes{font-size:12px;border-top:1px solid #888;margin-top:1.5em;padding-top:.5em}
        .hidden{display:none}
        @media print{
          .tools,.filter,.detail{display:none}
          body{max-width:none;margin:0;font-size:11px}
          figure,.verdict{break-inside:avoid}
          thead{display:table-header-group}
          tr{break-inside:avoid}
          svg.bar,svg.key{print-color-adjust:exact;-webkit-print-color-adjust:exact}
        }
        """;

    internal const string Script = """
        'use strict';
        (function () {
          var NS = 'http://www.w3.org/2000/svg', W = 1160, H = 44;
          var data = JSON.parse(document.getElementById('bars').textContent);
          var focus = null;

          function element(name, attributes, text) {
            var e = document.createElementNS(NS, name);
            for (var key in attributes) e.setAttribute(key, attributes[key]);
            if (text !== undefined) e.textContent = text;
            return e;
          }
          function grouped(n) { return n.toString().replace(/\B(?=(\d{3})+$)/g, ','); }
          function hex(n) { var t = n.toString(16); return '0x' + t.padStart(n > 0xffffffffn ? 16 : 8, '0'); }

          data.forEach(function (bar, index) {
            var figure = document.getElementById('bar' + index);
            var svg = figure.querySelector('svg.bar'), pieces = svg.querySelector('.pieces'), axis = svg.querySelector('.axis');
            var detail = figure.querySelector('.detail');
            var view = { from: 0, to: 1 }, pinned = null, marks = [];

            function at(x) {
              var low = 0, high = bar.pieces.length - 1;
              while (low < high) { var mid = (low + high) >> 1; if (bar.pieces[mid][1] <= x) low = mid + 1; else high = mid; }
              return bar.pieces[low];
            }
            function address(x) {
              var p = at(x), share = p[1] > p[0] ? Math.min(Math.max((x - p[0]) / (p[1] - p[0]), 0), 1) : 0;
              var a = BigInt('0x' + p[3]) + BigInt(Math.floor(Number(BigInt(p[4])) * share));
              return a / 4096n * 4096n;
            }
            function words(p) {
              var size = BigInt(p[4]), start = BigInt('0x' + p[3]);
              var place = bar.real ? hex(start) + ' - ' + hex(start + size) + '  ' : '';
              return place + grouped(size) + ' bytes  ' + (p[5] || '') + (p[6] ? '\n' + p[6] : '');
            }
            function draw() {
              var span = view.to - view.from, column = -1, columnBest = 0, batch = null;
              pieces.textContent = '';
              var part = document.createDocumentFragment();
              var flush = function () { if (batch) { part.appendChild(element('rect', batch)); batch = null; } };
              for (var i = 0; i < bar.pieces.length; i++) {
                var p = bar.pieces[i];
                if (p[1] < view.from) continue;
                if (p[0] > view.to) break;
                if (p[2] < 0) continue;
                var a = Math.max((p[0] - view.from) / span, 0) * W, b = Math.min((p[1] - view.from) / span, 1) * W;
                var width = b - a, dim = focus !== null && focus !== p[2];
                if (width < 0.5) {
                  if (p[2] === 11) continue;
                  var c = Math.floor(a * 2);
                  if (c === column && width <= columnBest) continue;
                  if (c !== column) { flush(); columnBest = 0; }
                  column = c; columnBest = width;
                  batch = { x: c / 2, y: 0, width: 0.6, height: H, fill: 'url(#p' + p[2] + ')', opacity: dim ? 0.15 : 1 };
                  continue;
                }
                flush();
                part.appendChild(element('rect', { x: a, y: 0, width: width, height: H, fill: p[2] === 11 ? 'none' : 'url(#p' + p[2] + ')',
                  stroke: width >= 3 ? '#000' : 'none', 'stroke-width': 0.6, 'stroke-dasharray': p[2] === 11 || p[2] === 14 ? '3 2' : 'none',
                  opacity: dim ? 0.15 : 1 }));
                var label = p[5] || '', fits = Math.floor((width - 8) / 6.7);
                if (label.length > fits) label = fits > 3 && width > 60 ? label.slice(0, fits - 1) + '\u2026' : (p[2] < 10 && fits > 1 ? String(p[2] + 1) : '');
                if (label) part.appendChild(element('text', { x: a + width / 2, y: H / 2 + 4, 'text-anchor': 'middle', 'font-size': 11,
                  'font-family': 'monospace', stroke: '#fff', 'stroke-width': 3, 'paint-order': 'stroke' }, label));
              }
              flush();
              marks.forEach(function (m, k) {
                var x = (m - view.from) / span * W;
                if (x < 0 || x > W) return;
                part.appendChild(element('path', { d: 'M' + x + ' -4V' + (H + 4), stroke: '#000', 'stroke-width': 2 }));
                part.appendChild(element('text', { x: x + 3, y: 9, 'font-size': 11, 'font-weight': 'bold' }, 'AB'[k]));
              });
              pieces.appendChild(part);
              if (!bar.real || (view.from === 0 && view.to === 1)) { if (axis.original) { axis.replaceChildren.apply(axis, axis.original); } return; }
              axis.original = axis.original || Array.prototype.slice.call(axis.childNodes);
              axis.textContent = '';
              for (var t = 0; t < 5; t++) {
                var x = t / 4 * W, text = hex(address(view.from + span * t / 4));
                axis.appendChild(element('path', { d: 'M' + x + ' ' + H + 'v5', stroke: '#000' }));
                axis.appendChild(element('text', { x: t === 0 ? 0 : t === 4 ? W : x, y: H + 17, 'text-anchor': t === 0 ? 'start' : t === 4 ? 'end' : 'middle' }, text));
              }
            }
            function where(event) {
              var box = svg.getBoundingClientRect();
              return view.from + (view.to - view.from) * Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
            }
            function zoom(factor, middle) {
              var span = Math.min(Math.max((view.to - view.from) * factor, 1e-12), 1);
              var share = (middle - view.from) / (view.to - view.from);
              var from = Math.min(Math.max(middle - span * share, 0), 1 - span);
              view = { from: from, to: from + span };
              draw();
            }
            function pan(by) {
              var span = view.to - view.from, from = Math.min(Math.max(view.from + by * span, 0), 1 - span);
              view = { from: from, to: from + span };
              draw();
            }
            function show() {
              var text = pinned ? words(pinned) : '';
              if (marks.length === 2 && bar.real) {
                var a = address(Math.min(marks[0], marks[1])), b = address(Math.max(marks[0], marks[1]));
                text += '\nA to B: ' + grouped(b - a) + ' bytes';
              }
              detail.textContent = text;
            }
            svg.addEventListener('wheel', function (e) { e.preventDefault(); zoom(e.deltaY < 0 ? 0.7 : 1 / 0.7, where(e)); }, { passive: false });
            var drag = null;
            svg.addEventListener('pointerdown', function (e) { drag = { x: e.clientX, moved: false }; svg.setPointerCapture(e.pointerId); });
            svg.addEventListener('pointermove', function (e) {
              if (drag && Math.abs(e.clientX - drag.x) > 3) {
                pan((drag.x - e.clientX) / svg.getBoundingClientRect().width);
                drag = { x: e.clientX, moved: true };
              } else if (!drag && !pinned) { detail.textContent = words(at(where(e))); }
            });
            svg.addEventListener('pointerup', function (e) {
              if (drag && !drag.moved) {
                var x = where(e);
                if (e.shiftKey) { if (marks.length === 2) marks = []; marks.push(x); draw(); }
                else { var p = at(x); pinned = pinned === p ? null : p; }
                show();
              }
              drag = null;
            });
            svg.addEventListener('dblclick', function () { view = { from: 0, to: 1 }; draw(); });
            figure.addEventListener('keydown', function (e) {
              var middle = (view.from + view.to) / 2;
              if (e.key === 'w' || e.key === '+') zoom(0.7, middle);
              else if (e.key === 's' || e.key === '-') zoom(1 / 0.7, middle);
              else if (e.key === 'a' || e.key === 'ArrowLeft') pan(-0.2);
              else if (e.key === 'd' || e.key === 'ArrowRight') pan(0.2);
              else if (e.key === '0') { view = { from: 0, to: 1 }; draw(); }
              else return;
              e.preventDefault();
            });
            figure.querySelectorAll('[data-act]').forEach(function (button) {
              button.addEventListener('click', function () {
                var act = button.getAttribute('data-act'), middle = (view.from + view.to) / 2;
                if (act === 'in') zoom(0.5, middle); else if (act === 'out') zoom(2, middle);
                else if (act === 'left') pan(-0.4); else if (act === 'right') pan(0.4);
                else { view = { from: 0, to: 1 }; marks = []; pinned = null; show(); draw(); }
              });
            });
            bar.redraw = draw;
          });

          document.querySelectorAll('.legend button').forEach(function (button) {
            button.addEventListener('click', function () {
              var style = Number(button.getAttribute('data-style'));
              focus = focus === style ? null : style;
              document.querySelectorAll('.legend button').forEach(function (other) {
                other.setAttribute('aria-pressed', String(focus !== null && other === button));
              });
              data.forEach(function (bar) { bar.redraw(); });
            });
          });

          document.querySelectorAll('table').forEach(function (table) {
            var body = table.tBodies[0], rows = Array.prototype.slice.call(body.rows);
            var filter = table.parentNode.parentNode.querySelector('input');
            table.querySelectorAll('thead th').forEach(function (heading, column) {
              heading.addEventListener('click', function () {
                var falling = heading.getAttribute('aria-sort') ? heading.getAttribute('aria-sort') === 'ascending' : heading.className === 'right';
                table.querySelectorAll('thead th').forEach(function (h) { h.removeAttribute('aria-sort'); });
                heading.setAttribute('aria-sort', falling ? 'descending' : 'ascending');
                var key = function (row) { var c = row.cells[column], k = c.getAttribute('data-key'); return k === null ? c.textContent : Number(k); };
                rows.sort(function (left, right) {
                  var a = key(left), b = key(right), order = a < b ? -1 : a > b ? 1 : 0;
                  return falling ? -order : order;
                });
                rows.forEach(function (row) { body.appendChild(row); });
              });
            });
            if (filter) filter.addEventListener('input', function () {
              var wanted = filter.value.toLowerCase();
              rows.forEach(function (row) { row.classList.toggle('hidden', row.textContent.toLowerCase().indexOf(wanted) < 0); });
            });
          });
        })();
        """;
}
