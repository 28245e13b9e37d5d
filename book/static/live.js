// Live widgets stand in frames, whose pages tell how tall they are, and are told whether this page is dark.

const frames = () => [...document.querySelectorAll("iframe.live")];
const tell = (frame) =>
  frame.contentWindow?.postMessage({ dgkitTheme: document.documentElement.dataset.theme }, "*");

addEventListener("message", ({ data, source }) => {
  if (data?.dgkitHeight === undefined) return;
  const frame = frames().find((one) => one.contentWindow === source);
  if (!frame) return;
  frame.style.height = `${Math.ceil(data.dgkitHeight) + 2}px`;
  tell(frame);
});
new MutationObserver(() => frames().forEach(tell)).observe(document.documentElement, {
  attributeFilter: ["data-theme"],
});
