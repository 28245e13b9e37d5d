/** Inline pictures: a real series (solid) and a generated one (dashed); with a chapter's number on its card. */
import { LabIcon } from '@jupyterlab/ui-components';

const series = (y: number, size: number, colour: string, dash: string) =>
  `<path class="${colour}" fill="none" stroke="#616161" stroke-width="1.7" stroke-linecap="round" ${dash}
    d="M2 ${y} c2 -${size} 3 -${size} 5 0 s3 ${size} 5 0 s3 -${size} 5 0 s3 ${size} 5 0"/>`;

const picture = (content: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="24" viewBox="0 0 24 24">${content}</svg>`;

export const courseIcon = new LabIcon({
  name: 'dgkit-lab:course',
  svgstr: picture(series(8, 6, 'jp-icon3', '') + series(16, 6, 'jp-icon3', 'stroke-dasharray="2.2 2.6"'))
});

export function chapterIcon(number: string): LabIcon {
  return new LabIcon({
    name: `dgkit-lab:chapter-${number}`,
    svgstr: picture(
      `<text class="jp-icon3" fill="#616161" x="12" y="12" text-anchor="middle" font-family="sans-serif"
        font-weight="bold" font-size="12">${number}</text>` + series(18, 5, 'jp-icon3', '')
    )
  });
}
