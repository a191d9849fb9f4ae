// The look of the html report, on a screen and on paper. No font, image or script is loaded: the page is one file that
// must open the same way in ten years.
export const pageStyle = `
:root { --ink: #16202c; --soft: #566273; --line: #d9dfe6; --wash: #f5f7f9; --accent: #1f4e79;
  --good: #17673a; --good-wash: #e8f4ec; --bad: #a3201d; --bad-wash: #fbeceb; --open: #8a5a00; --open-wash: #fdf4e2; }
* { box-sizing: border-box; }
html { color-scheme: light; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: #fff; color: var(--ink); font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto,
  "Helvetica Neue", "Noto Sans", "DejaVu Sans", Arial, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
header p, footer p { margin: 0; color: var(--soft); }
h1 { margin: 0 0 .2rem; font-size: 1.75rem; line-height: 1.2; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { margin: 2.6rem 0 .7rem; padding-bottom: .35rem; border-bottom: 2px solid var(--ink); font-size: 1.15rem; }
h3 { margin: 1.5rem 0 .5rem; font-size: 1rem; }
p { margin: .5rem 0; }
.kicker { text-transform: uppercase; letter-spacing: .09em; font-size: .75rem; font-weight: 600; color: var(--accent); }
.verdict { margin: 1.5rem 0 0; padding: 1rem 1.2rem; border-left: 6px solid; border-radius: 3px; display: flex; gap: 1.2rem;
  align-items: baseline; }
.verdict strong { font-size: 1.3rem; letter-spacing: .05em; white-space: nowrap; }
.verdict p { margin: 0; }
.pass { border-color: var(--good); background: var(--good-wash); } .pass strong { color: var(--good); }
.fail { border-color: var(--bad); background: var(--bad-wash); } .fail strong { color: var(--bad); }
.in_progress { border-color: var(--open); background: var(--open-wash); } .in_progress strong { color: var(--open); }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
th, td { padding: .38rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: baseline; }
thead th { border-bottom: 1px solid var(--soft); font-size: .78rem; color: var(--soft); font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 500; }
tfoot th, tfoot td { border-top: 1px solid var(--soft); font-weight: 600; }
.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.facts th { width: 15rem; color: var(--soft); font-weight: 400; }
.facts td { overflow-wrap: anywhere; }
.none td, .none th { color: #8b95a2; }
.alarm th, .alarm td.figure { color: var(--bad); font-weight: 600; }
code, pre, .name, .digest { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Noto Sans Mono",
  monospace; font-size: .86em; }
.name { direction: ltr; unicode-bidi: isolate; overflow-wrap: anywhere; overflow: clip; white-space: pre-wrap; }
.digest { overflow-wrap: anywhere; }
.unseen { padding: 0 .15em; border-radius: 2px; background: #ffe9b8; color: #6b4300; }
.item { margin: .9rem 0 0; padding: .7rem .9rem; border: 1px solid var(--line); border-left: 3px solid var(--bad);
  border-radius: 3px; break-inside: avoid; }
.item p { margin: 0; } .item .reason { color: var(--soft); font-size: .9rem; }
.item table { margin-top: .5rem; font-size: .82rem; } .item tr:last-child td { border-bottom: 0; }
.note { color: var(--soft); font-size: .9rem; }
.items td { max-width: 26rem; } .items .digest { width: 34%; color: var(--soft); }
.count { color: var(--soft); font-weight: 400; }
pre { margin: .6rem 0; padding: .8rem 1rem; background: var(--wash); border: 1px solid var(--line); border-radius: 3px;
  white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.5; }
.limit { padding: .8rem 1.1rem; background: var(--wash); border-left: 4px solid var(--accent); }
footer { margin-top: 3rem; padding-top: .8rem; border-top: 1px solid var(--line); font-size: .82rem; }
@media (max-width: 40rem) { .verdict { display: block; } .facts th { width: 9rem; } main { padding: 1.2rem .9rem 3rem; } }
@page { size: A4; margin: 18mm 16mm 20mm; }
@media print {
  body { font-size: 9.5pt; line-height: 1.4; }
  main { max-width: none; padding: 0; }
  h2 { margin-top: 1.6rem; } h2, h3 { break-after: avoid; }
  thead { display: table-header-group; } tr, pre, .limit, .verdict { break-inside: avoid; }
  .verdict, .unseen, pre, .limit { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`
