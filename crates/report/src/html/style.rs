//! The page's style sheet: light, dark, narrow and printed.

/// Colours come from variables, so that dark and print only change these. Text has a contrast of at least 4.5:1 and bars
/// of at least 3:1 against the surface; parts of a bar differ in pattern too, and their legend names them.
pub(super) const STYLE: &str = r#":root {
  color-scheme: light;
  --page: #f3f5f8; --surface: #fff; --soft: #f6f8fb; --line: #dce2ea; --text: #18212d; --muted: #536072;
  --head: #13283f; --head-text: #fff; --head-muted: #b9c9da;
  --accent: #1d62c4; --accent-2: #12827c; --track: #e3e8ef;
  --good: #1b8350; --bad: #c4372d; --unknown: #a86b00; --manual: #6a56b8; --attested: #20809c; --na: #7f8b99;
  --high: #a3231b; --high-soft: #fdecea; --medium: #855300; --medium-soft: #fdf2dc; --low: #2d5a8a; --low-soft: #e8f1fb;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    color-scheme: dark;
    --page: #0e141b; --surface: #17202a; --soft: #1c2733; --line: #2d3a48; --text: #e6ebf1; --muted: #a0aebd;
    --head: #0a1a2b; --head-text: #fff; --head-muted: #a9bccf;
    --accent: #5f9df2; --accent-2: #3fbdb4; --track: #2a3645;
    --good: #41b87c; --bad: #ec6a5f; --unknown: #dfa23b; --manual: #a393ea; --attested: #4fb3d0; --na: #7d8b9b;
    --high: #ffb0a8; --high-soft: #4a1e1b; --medium: #f5cd86; --medium-soft: #43300f; --low: #a9cdf5; --low-soft: #1b344f;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--text); line-height: 1.5; font-size: 16px;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Noto Sans", sans-serif;
  overflow-wrap: anywhere;
}
html:lang(ja) body {
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Hiragino Sans", "Hiragino Kaku Gothic ProN",
    "Yu Gothic UI", "Yu Gothic", Meiryo, "Noto Sans CJK JP", "Noto Sans JP", sans-serif;
  line-height: 1.65;
}
.wrap { max-width: 1120px; margin: 0 auto; padding: 0 24px; }
header { background: var(--head); color: var(--head-text); padding: 28px 0 30px; }
.brand {
  display: flex; align-items: center; gap: 8px; margin: 0 0 4px; font-weight: 600; letter-spacing: .04em;
  color: var(--head-muted);
}
.brand svg { width: 22px; height: 22px; fill: currentColor; }
h1 { margin: 0 0 16px; font-size: 30px; line-height: 1.25; font-weight: 650; }
h2 { margin: 0 0 4px; font-size: 21px; line-height: 1.3; font-weight: 650; }
h3 { margin: 28px 0 10px; font-size: 16px; font-weight: 650; }
h3 + .lead { margin-top: -6px; }
h1, h2, h3 { text-wrap: balance; }
p, dl, dd, ul { margin: 0; padding: 0; }
ul { list-style: none; }
.facts { display: flex; flex-wrap: wrap; gap: 12px 40px; }
.facts dt { font-size: 13px; color: var(--head-muted); }
main.wrap { padding-top: 24px; padding-bottom: 40px; }
section {
  background: var(--surface); border: 1px solid var(--line); border-radius: 10px; padding: 24px;
  margin-bottom: 20px;
}
.lead { color: var(--muted); max-width: 80ch; margin-bottom: 18px; }
.note { color: var(--muted); font-size: 14px; }
section > .note { margin-top: 12px; }
.notice {
  border-inline-start: 4px solid var(--unknown); background: var(--soft); padding: 10px 14px; margin-bottom: 16px;
}
.na { color: var(--muted); font-style: italic; font-weight: 400; }
:lang(ja) .na { font-style: normal; }

.hero { display: grid; grid-template-columns: minmax(240px, 300px) 1fr; gap: 32px; align-items: center; }
.gauge { width: 100%; display: block; }
.gauge path { fill: none; stroke: var(--accent); stroke-width: 18; }
.gauge .adjusted { stroke: var(--accent-2); stroke-width: 8; }
.gauge .track { stroke: var(--track); }
.gauge .empty { stroke-dasharray: 3 4; }
.gauge text { font-size: 11px; fill: var(--muted); text-anchor: middle; }
.gauge .value { font-size: 29px; font-weight: 700; fill: var(--text); font-variant-numeric: tabular-nums; }
.gauge .value.none { font-size: 17px; }
.figures { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; }
.figures > div { border: 1px solid var(--line); border-radius: 8px; padding: 12px 16px; background: var(--soft); }
.figures dt { font-weight: 600; font-size: 14px; }
.figures dd:not(.note) { font-size: 27px; font-weight: 700; line-height: 1.3; font-variant-numeric: tabular-nums; }
.figures .na { font-size: 20px; }

.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); gap: 14px; }
.cards li { border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; background: var(--soft); }
.cards .name { font-weight: 650; }
.cards .big { font-size: 25px; font-weight: 700; line-height: 1.3; font-variant-numeric: tabular-nums; }
.cards .big .na { font-size: 18px; }
.cards .bar { margin: 6px 0 8px; }
.counts { display: flex; flex-wrap: wrap; gap: 6px 24px; margin-top: 6px; }
.counts dt { font-size: 13px; color: var(--muted); }
.counts dd { font-size: 20px; font-weight: 650; line-height: 1.3; font-variant-numeric: tabular-nums; }

.bar { display: block; height: 6px; margin-top: 5px; border-radius: 3px; background: var(--track); overflow: hidden; }
.bar span { display: block; height: 100%; background: var(--accent); }
.warn .bar span { background: var(--bad); }
.bar.empty { background: none; border: 1px dashed var(--na); }
.stack { display: flex; gap: 2px; height: 18px; border-radius: 4px; overflow: hidden; background: var(--track); }
.stack span { flex: 0 1 0; min-width: 3px; }
.legend {
  display: flex; flex-wrap: wrap; gap: 4px 20px; margin-top: 8px; font-size: 14px; font-weight: 400;
  color: var(--muted);
}
.legend b { color: var(--text); font-variant-numeric: tabular-nums; }
.key {
  display: inline-block; width: 12px; height: 12px; margin-inline-end: 7px; border-radius: 3px;
  vertical-align: -1px;
}
.stack, .key, .bar, .badge { -webkit-print-color-adjust: exact; print-color-adjust: exact; forced-color-adjust: none; }
.raw { background: var(--accent); }
.adjusted { background: var(--accent-2); }
.key.adjusted { height: 6px; vertical-align: 2px; }
.good { background: var(--good); }
.bad {
  background: repeating-linear-gradient(90deg, var(--bad) 0 6px, color-mix(in srgb, var(--bad) 78%, #000) 6px 8px);
}
.unknown {
  background: repeating-linear-gradient(
    135deg, var(--unknown) 0 4px, color-mix(in srgb, var(--unknown) 45%, var(--surface)) 4px 7px
  );
}
.manual { background: radial-gradient(circle at 50% 50%, var(--surface) 1.2px, var(--manual) 1.7px) 0 0 / 6px 6px; }
.attested {
  background: repeating-linear-gradient(
    0deg, var(--attested) 0 4px, color-mix(in srgb, var(--attested) 45%, var(--surface)) 4px 6px
  );
}
.na-part { background: var(--surface); box-shadow: inset 0 0 0 1.5px var(--na); }

table { width: 100%; border-collapse: collapse; font-size: 14.5px; }
caption, .hidden {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}
th, td { padding: 9px 10px; border-bottom: 1px solid var(--line); text-align: start; vertical-align: top; }
th:first-child, td:first-child { padding-inline-start: 0; }
th:last-child, td:last-child { padding-inline-end: 0; }
thead th {
  font-size: 13px; line-height: 1.35; font-weight: 600; color: var(--muted); vertical-align: bottom;
  border-bottom: 2px solid var(--line); overflow-wrap: break-word;
}
:lang(ja) thead th { word-break: keep-all; }
tbody th { font-weight: 600; }
tbody tr:last-child > * { border-bottom: 0; }
td { font-variant-numeric: tabular-nums; }
.n { text-align: end; }
td.n, .s { white-space: nowrap; }
tbody th { min-width: 9em; }
td .bar { min-width: 70px; }
.why { margin-top: 3px; font-weight: 400; color: var(--muted); max-width: 75ch; }
.id {
  margin-top: 3px; font: 12.5px/1.4 ui-monospace, SFMono-Regular, Consolas, "Liberation Mono", monospace;
  color: var(--muted);
}
.badge {
  display: inline-block; min-width: 4.6em; padding: 1px 9px; border: 1px solid currentColor; border-radius: 999px;
  font-size: 13px; font-weight: 650; text-align: center; white-space: nowrap;
}
.badge.high { color: var(--high); background: var(--high-soft); border-width: 2px; }
.badge.medium { color: var(--medium); background: var(--medium-soft); }
.badge.low { color: var(--low); background: var(--low-soft); border-style: dashed; }
tbody th > .stack { margin-top: 7px; }
details { margin-top: 12px; }
summary { cursor: pointer; color: var(--accent); font-weight: 600; padding: 6px 0; }
summary:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.method { margin-top: 14px; }
.method > div {
  display: grid; grid-template-columns: 190px minmax(0, 1fr); gap: 4px 20px; padding: 9px 0;
  border-top: 1px solid var(--line);
}
.method dt { font-weight: 600; }
.method dd { max-width: 85ch; }
code { font: 13px/1.5 ui-monospace, SFMono-Regular, Consolas, "Liberation Mono", monospace; }

@media screen and (max-width: 760px) {
  .wrap { padding-inline: 14px; }
  h1 { font-size: 24px; }
  section { padding: 18px 16px; }
  .hero { grid-template-columns: 1fr; gap: 18px; }
  .gauge { max-width: 290px; margin: 0 auto; }
  .method > div { grid-template-columns: 1fr; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, tr, tbody th, td { display: block; }
  tbody tr { padding: 12px 0; border-bottom: 1px solid var(--line); }
  tbody tr:first-child { padding-top: 0; }
  tbody tr:last-child { border-bottom: 0; }
  tbody th, td { padding: 3px 0; border: 0; }
  td { display: grid; grid-template-columns: minmax(0, 45%) minmax(0, 1fr); gap: 0 12px; }
  td.n { text-align: start; white-space: normal; }
  td::before { content: attr(data-label); color: var(--muted); font-size: 13.5px; grid-row: 1 / span 9; }
  td > * { grid-column: 2; justify-self: start; }
  td > .bar, td > .warn { justify-self: stretch; }
}
@media (max-width: 480px) {
  .figures { gap: 10px; }
  .figures > div { padding: 10px 12px; }
  .figures dd:not(.note) { font-size: 22px; }
  .figures .na { font-size: 16px; }
}

@page { size: A4; margin: 14mm 12mm; }
@media print {
  :root { --page: #fff; --soft: #fff; --head: #fff; --head-text: #18212d; --head-muted: #536072; }
  body { font-size: 10.5pt; }
  .wrap { max-width: none; padding: 0 1px; }
  header { padding: 0 0 12px; border-bottom: 2px solid var(--text); }
  h1 { font-size: 20pt; margin-bottom: 8px; }
  h2 { font-size: 14pt; }
  h3 { font-size: 11pt; margin-top: 16px; }
  main.wrap { padding: 0 1px; }
  section { border: 0; border-radius: 0; padding: 14px 0 8px; margin: 0; border-bottom: 1px solid var(--line); }
  section:last-child { border-bottom: 0; }
  h1, h2, h3, .lead { break-after: avoid; }
  .lead, tr, .cards li, .figures > div, .hero, .stack, .legend, .method > div { break-inside: avoid; }
  thead { display: table-header-group; }
  table { font-size: 8.5pt; }
  thead th { font-size: 7.5pt; }
  th, td { padding: 4px 5px; }
  .hero { grid-template-columns: 210px 1fr; gap: 20px; }
  .cards { grid-template-columns: repeat(3, 1fr); gap: 10px; }
  .counts { column-gap: 14px; }
  .counts dd { font-size: 13pt; }
  .counts dt { font-size: 8pt; }
  .method > div { grid-template-columns: 140px minmax(0, 1fr); padding: 5px 0; }
  .method { font-size: 9.5pt; }
  code { font-size: 8pt; }
  .figures dd:not(.note) { font-size: 16pt; }
  .note, .legend, .why { font-size: 8.5pt; }
  td .bar { min-width: 40px; }
  td .note { display: block; }
}
"#;
