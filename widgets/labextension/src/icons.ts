/**
 * Inline pictures: a real series (solid) and a generated one (dashed); with a chapter's number on
 * its card.
 */
import { LabIcon } from "@jupyterlab/ui-components";

/** One period after the other from the left edge to the right one, around the height y. */
const series = (y: number, height: number, dashes = "none") =>
  `<g fill="none" stroke-width="1.8" stroke-linecap="round" stroke-dasharray="${dashes}">
    <path class="jp-icon3" stroke="#616161"
      d="M2 ${y} c2 -${height} 3 -${height} 5 0 s3 ${height} 5 0
         s3 -${height} 5 0 s3 ${height} 5 0"/>
  </g>`;

const picture = (content: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="24" viewBox="0 0 24 24">${content}</svg>`;

export const courseIcon = new LabIcon({
  name: "dgkit-lab:course",
  svgstr: picture(series(8, 6) + series(16, 6, "1.5 3")),
});

export const chapterIcon = (number: string) =>
  new LabIcon({
    name: `dgkit-lab:chapter-${number}`,
    svgstr: picture(
      `<text class="jp-icon3" fill="#616161" x="12" y="12" text-anchor="middle"
        font-family="sans-serif" font-weight="bold" font-size="12">${number}</text>` +
        series(18, 5),
    ),
  });
