// Parse each file with Mermaid, and print its labels as a browser would show them.
import { readFileSync } from "node:fs";
import { JSDOM } from "jsdom";

const { window } = new JSDOM("");
Object.assign(globalThis, { window, document: window.document, Element: window.Element });
const { default: mermaid } = await import("mermaid");
const text = (label) => {
  const element = window.document.createElement("div");
  element.innerHTML = label.replace(/ﬂ°°/g, "&#").replace(/ﬂ°/g, "&").replace(/¶ß/g, ";");
  return element.textContent;
};
for (const file of process.argv.slice(2)) {
  const graph = readFileSync(file, "utf8");
  await mermaid.parse(graph);
  const { db } = await mermaid.mermaidAPI.getDiagramFromText(graph);
  const vertices = [...db.getVertices().values()].map((one) => one.text);
  const titles = db.getSubGraphs().map((one) => one.title);
  console.log(JSON.stringify([...vertices, ...titles].map(text)));
}
