/** One style sheet for screen and paper; no font, image or script is fetched from anywhere. */
export const style = `
:root { --ink: #1a1f24; --soft: #55606b; --line: #d5dbe1; --band: #f4f6f8; --accent: #1f5c99; --bad: #a3161c; --good: #1b6b3a; --open: #7a4b00; }
* { box-sizing: border-box; }
html { color-scheme: light; }
body { margin: 0 auto; max-width: 1240px; padding: 2rem 2rem 4rem; background: #fff; color: var(--ink);
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
nav ol { columns: 2; padding-left: 1.4rem; margin: .6rem 0; }
.wide { overflow-x: auto; margin: .8rem 0 .3rem; }
.wide:focus-visible { outline: 2px solid var(--accent); }
table { border-collapse: collapse; width: 100%; font-size: .8rem; line-height: 1.35; }
th, td { text-align: left; vertical-align: top; padding: .32rem .5rem; border-bottom: 1px solid var(--line); }
thead th { background: var(--band); border-bottom: 1.5px solid var(--soft); vertical-align: bottom; }
td small { display: block; color: var(--soft); overflow-wrap: anywhere; }
td.id { overflow-wrap: anywhere; min-width: 14rem; }
td.event { overflow-wrap: anywhere; min-width: 8rem; color: var(--soft); font-size: .72rem; }
td.list, td.text { overflow-wrap: anywhere; }
td.list { min-width: 5rem; }
td.time { white-space: nowrap; font-variant-numeric: tabular-nums; }
th.count, td.count, th.share, td.share { text-align: right; font-variant-numeric: tabular-nums; }
td.zero { color: #767f88; }
td.flag { color: var(--bad); font-weight: 600; }
td.verdict { font-weight: 600; white-space: nowrap; }
td.bad { color: var(--bad); } td.good { color: var(--good); } td.open { color: var(--open); white-space: normal; }
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
@page { size: A4 landscape; margin: 14mm 12mm 16mm; @bottom-right { content: counter(page) " / " counter(pages); font: 8pt sans-serif; color: #55606b; } }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2 { break-after: avoid; } h3 { break-after: avoid; }
  section.cover { break-after: page; }
  .wide { overflow: visible; }
  table { font-size: 7pt; }
  th, td { padding: 1.2mm 1.4mm; }
  td.id { min-width: 0; } td.event { min-width: 0; font-size: 6.5pt; } td.time { white-space: normal; min-width: 17mm; }
  td.list { min-width: 0; }
  thead { display: table-header-group; }
  tr, figure, .figures li { break-inside: avoid; }
  pre { font-size: 6.5pt; white-space: pre-wrap; }
  .charts { grid-template-columns: 1fr 1fr; }
  a { color: inherit; text-decoration: none; }
  details.query::details-content { content-visibility: visible; display: block; height: auto; }
  details.query summary { color: var(--soft); list-style: none; }
}
`;
