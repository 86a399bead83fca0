/** One style sheet for screen and paper; no font, image or script is fetched from anywhere. */
export const style = `
:root { --ink: #1a1f24; --soft: #55606b; --line: #d5dbe1; --band: #f4f6f8; --accent: #1f5c99; --bad: #a3161c; --good: #1b6b3a; --open: #7a4b00; }
* { box-sizing: border-box; }
html { color-scheme: light; }
body { margin: 0 auto; max-width: 1400px; padding: 2rem 1.75rem 4rem; background: #fff; color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.3rem; margin: 2.75rem 0 .5rem; padding-top: .6rem; border-top: 2px solid var(--ink); }
h3 { font-size: 1.02rem; margin: 1.5rem 0 .4rem; }
p { margin: .4rem 0; max-width: 80ch; }
a { color: var(--accent); }
.eyebrow { color: var(--soft); letter-spacing: .08em; text-transform: uppercase; font-size: .8rem; margin: 0; }
.lead, .more { color: var(--soft); }
.more { font-size: .85rem; }
.nothing { padding: .6rem .8rem; background: var(--band); border-left: 3px solid var(--line); }
.warning { padding: .6rem .8rem; background: #fdf3e1; border-left: 4px solid var(--open); }
.alarm { padding: .6rem .8rem; background: #fbe9ea; border-left: 4px solid var(--bad); }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: 1rem 0; }
dl.facts dt { color: var(--soft); }
dl.facts dd { margin: 0; overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: .8rem; margin: 1rem 0; padding: 0; list-style: none; }
.figures li { border: 1px solid var(--line); border-radius: 4px; padding: .6rem .8rem; }
.figures b { display: block; font-size: 1.5rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.figures small { display: block; color: var(--soft); line-height: 1.35; }
ul.highlights { padding-left: 1.2rem; } ul.highlights li { margin: .25rem 0; } ul.highlights b { font-variant-numeric: tabular-nums; }
nav ol { columns: 2; padding-left: 1.4rem; margin: .6rem 0; }
.wide { overflow-x: auto; margin: .8rem 0 .3rem; }
.wide:focus-visible { outline: 2px solid var(--accent); }
table { border-collapse: collapse; width: 100%; font-size: .8rem; line-height: 1.35; }
th, td { text-align: left; vertical-align: top; padding: .3rem .4rem; border-bottom: 1px solid var(--line); }
thead th { background: var(--band); border-bottom: 1.5px solid var(--soft); vertical-align: bottom; }
td small { display: block; color: var(--soft); overflow-wrap: anywhere; }
td.id { overflow-wrap: anywhere; min-width: 13.5rem; }
td.event { overflow-wrap: anywhere; min-width: 8rem; color: var(--soft); font-size: .72rem; }
td.list, td.text { overflow-wrap: break-word; }
td.list { min-width: 4rem; }
td.time span { white-space: nowrap; }
td.time { min-width: 5.1rem; font-variant-numeric: tabular-nums; }
th.count, td.count, th.share, td.share { text-align: right; font-variant-numeric: tabular-nums; }
td.zero { color: #68717a; }
td.flag { color: var(--bad); font-weight: 600; }
td.verdict { font-weight: 600; white-space: nowrap; }
td.bad { color: var(--bad); } td.good { color: var(--good); } td.open { color: var(--open); white-space: normal; }
p.paper, section.statements { display: none; }
details.query { margin: .3rem 0; font-size: .8rem; }
details.query summary { cursor: pointer; color: var(--accent); }
pre { background: var(--band); border: 1px solid var(--line); padding: .6rem .8rem; overflow-x: auto; font: 12px/1.4 ui-monospace, "Liberation Mono", Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 1.5rem; }
figure { margin: 1rem 0; }
figcaption { font-weight: 600; margin-bottom: .3rem; }
figcaption small { font-weight: 400; color: var(--soft); display: block; }
svg { width: 100%; height: auto; display: block; font: 11px system-ui, "Liberation Sans", Arial, sans-serif; }
svg text { fill: var(--ink); } svg .soft { fill: var(--soft); }
svg .axis { stroke: #b8c0c8; stroke-width: 1; } svg .grid { stroke: #e6eaee; stroke-width: 1; }
@page { size: A4 landscape; margin: 13mm 12mm 15mm; @bottom-right { content: counter(page) " / " counter(pages); font: 8pt sans-serif; color: #55606b; } }
@media print {
  body { max-width: none; padding: 0; font-size: 9.5pt; }
  h2, h3, .lead { break-after: avoid; }
  h2 { margin-top: 9mm; }
  .cover { break-after: page; }
  .wide { overflow: visible; }
  table { font-size: 6.8pt; line-height: 1.25; }
  th, td { padding: .7mm 1.1mm; }
  td.id { min-width: 52mm; } td.event { min-width: 30mm; font-size: 6pt; } td.list { min-width: 0; }
  td.time { min-width: 12mm; }
  figure { margin: 2mm 0; } figure > svg { max-height: 54mm; } figure.tall > svg { max-height: 84mm; }
  thead { display: table-header-group; }
  tr, p, figure, .figures li { break-inside: avoid; }
  pre { font-size: 6pt; padding: 1.5mm 2mm; white-space: pre-wrap; }
  .figures { grid-template-columns: repeat(5, 1fr); gap: 2.5mm; } .figures li { padding: 1.5mm 2.5mm; } .figures b { font-size: 14pt; } .figures small { font-size: 7.5pt; }
  .charts { grid-template-columns: 1fr 1fr; gap: 5mm; }
  a { color: inherit; text-decoration: none; }
  details.query { display: none; }
  p.paper { display: block; color: var(--soft); font-size: 7.5pt; }
  section.statements { display: block; break-before: page; } section.statements h3 { margin: 3mm 0 1mm; font-size: 8.5pt; }
}
`;
