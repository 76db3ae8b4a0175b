// The way from text to text: a row of stages, or a column where the page is narrow.

export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".llm-pathway");
  root.replaceChildren();
  const list = element("ol", "llm-pathway-list");
  for (const stage of data.stages) {
    const item = element("li", stage.inside ? "llm-pathway-stage llm-pathway-wide" : "llm-pathway-stage");
    item.append(element("div", "llm-pathway-title", stage.title));
    if (stage.inside) {
      for (const [name, what] of stage.inside) {
        const part = element("div", "llm-pathway-part");
        part.append(element("strong", "", name), ` ${what}`);
        item.append(part);
      }
    }
    item.append(element("div", "llm-pathway-note", stage.note));
    if (stage.shape) item.append(element("code", "llm-pathway-shape", stage.shape));
    if (stage.parameters) {
      const share = element("div", "llm-pathway-share");
      const fill = element("div", "llm-pathway-fill");
      fill.style.width = `${(100 * stage.parameters) / data.total}%`;
      share.append(fill);
      item.append(element("div", "llm-pathway-count", `${withThousands(stage.parameters)} parameters`), share);
    }
    list.append(item);
  }
  root.append(list);
}
