import assert from "node:assert/strict";
import { test } from "node:test";
import { lineStyles, themeOn } from "../src/lib/theme.js";

const light = themeOn([255, 255, 255]);

/** WCAG 2's contrast of two colours. */
function contrast(one, other) {
  const luminance = (colour) => {
    const [r, g, b] = [1, 3, 5].map((k) => {
      const share = parseInt(colour.slice(k, k + 2), 16) / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

test("the colours suit the background's brightness", () => {
  assert.equal(light.dark, false);
  assert.equal(themeOn([17, 17, 17]).dark, true);
  assert.equal(themeOn([0, 0, 255]).dark, true); // blue is dark to the eye
  assert.equal(themeOn([255, 255, 0]).dark, false);
});

test("text has a contrast of 7, and lines one of 3, on a white and on a dark page", () => {
  for (const [page, bg] of [
    ["#ffffff", [255, 255, 255]],
    ["#111111", [17, 17, 17]],
  ]) {
    const { fg, muted, palette } = themeOn(bg);
    for (const colour of [fg, muted])
      assert.ok(contrast(colour, page) >= 7, `${colour} on ${page}`);
    for (const colour of palette) assert.ok(contrast(colour, page) >= 3, `${colour} on ${page}`);
  }
});

test("a real line is solid, in the colour of text, and takes no place of the palette", () => {
  const [real, first] = lineStyles([{ real: true }, {}], light);
  assert.deepEqual(real, { stroke: light.fg, dash: [] });
  assert.equal(first.stroke, light.palette[0]);
});

test("a line with its own colour leaves the next place to the next line", () => {
  const styles = lineStyles([{}, { colour: 5 }, {}], light);
  const wanted = [0, 5, 1].map((place) => light.palette[place]);
  assert.deepEqual(
    styles.map(({ stroke }) => stroke),
    wanted,
  );
});

test("no two of many lines have both colour and dash in common", () => {
  const many = Array.from({ length: 49 }, () => ({}));
  const looks = lineStyles(many, light).map((style) => JSON.stringify(style));
  assert.equal(new Set(looks).size, many.length);
});
