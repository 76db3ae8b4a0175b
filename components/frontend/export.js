// What views of a model's inside share: reading their numbers, showing tokens, and carrying a view away.

/** The bytes at an address; the server's own words where it refuses. */
async function bytesOf(address) {
  let response;
  try {
    response = await fetch(address);
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  if (!response.ok) throw new Error((await response.text()).slice(0, 500) || response.statusText);
  return response.arrayBuffer();
}

const jsonOf = async (address) => JSON.parse(new TextDecoder().decode(await bytesOf(address)));

/** A token as it can be read on one line: what has no shape of its own, or would reorder its neighbours, is spelt. */
function visible(text) {
  return text
    .replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "·")
    .replace(/[\u0000-\u001f]/g, (sign) => String.fromCharCode(0x2400 + sign.charCodeAt(0)))
    .replace(/[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff]/g,
      (sign) => `‹${sign.charCodeAt(0).toString(16)}›`);
}

/** Red, green and blue, 0 … 255, of a colour by meaning. */
function channels(place, name) {
  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  pixel.fillStyle = colour(place, name);
  pixel.fillRect(0, 0, 1, 1);
  return [...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3);
}

const mixed = (from, to, share) => from.map((value, index) => Math.round(value + share * (to[index] - value)));

const SVG = "http://www.w3.org/2000/svg";

/** A new SVG element; `text` becomes a text node. */
function shape(name, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== "") made.textContent = text;
  return made;
}

/** An SVG picture of this size on the page's own background, with a title, in colours that stand by themselves. */
function picture(place, width, height, title) {
  const svg = shape("svg", { xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}`,
    "font-family": "system-ui, sans-serif", "font-size": 12, fill: colour(place, "--st-text-color") });
  svg.append(shape("rect", { width, height, fill: colour(place, "panel") }),
    shape("text", { x: 16, y: 26, "font-size": 15, "font-weight": 600 }, title));
  return svg;
}

function save(content, name) {
  const link = element("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const svgText = (svg) => new XMLSerializer().serializeToString(svg);

/** An SVG as PNG, at twice its size. */
async function rasterised(svg) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(svg))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = 2 * svg.getAttribute("width");
  canvas.height = 2 * svg.getAttribute("height");
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** The row that carries a view away. `links` name the files that the server makes; `draw()` gives the view as SVG. */
function carryRow(links, draw) {
  const row = element("div", "llm-carry");
  row.append(element("span", "llm-carry-title", "Carry away"));
  const said = element("span", "llm-carry-said");
  said.setAttribute("role", "status");
  const button = (label, act) => {
    const made = element("button", "llm-carry-button", label);
    made.type = "button";
    made.addEventListener("click", async () => {
      try {
        said.textContent = (await act()) ?? "";
      } catch (error) {
        said.textContent = `That did not work: ${error.message}`;
      }
    });
    row.append(made);
  };
  button("PNG", async () => save(await rasterised(draw()), `${links.name}.png`));
  button("SVG", () => save(new Blob([svgText(draw())], { type: "image/svg+xml" }), `${links.name}.svg`));
  if (links.csv) { // not in a page that was carried away
    for (const [label, address] of [["CSV", links.csv], ["Page that works offline", links.html]]) {
      const link = element("a", "llm-carry-button", label);
      link.href = address;
      link.download = "";
      row.append(link);
    }
    button("Copy link", async () => {
      await navigator.clipboard.writeText(location.href);
      return "The link opens this very view.";
    });
  }
  row.append(said);
  return row;
}

/** Once a view's state has changed, `carry()` makes a row whose links name the new one. */
function renewCarryRow(root, before, after, carry) {
  if (before.carry.html !== after.carry.html) root.querySelector(".llm-carry").replaceWith(carry());
}
