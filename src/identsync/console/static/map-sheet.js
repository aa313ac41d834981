// What leaves the page: the table's address, and the map as a picture with its title and legend.
"use strict";

class MapSheet extends MapCells {
  table() {
    const query = this.query();
    query.set("res", this.resolution());
    return `/map/export?${query}`;
  }

  async picture() {
    const drawn = new Promise((done) => this.map.once("render", () => this.map.getCanvas().toBlob(done)));
    this.map.triggerRepaint();
    const image = await createImageBitmap(await drawn);
    const blob = await new Promise((done) => this.framed(image).toBlob(done, "image/png"));
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: "patients-map.png" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    notice(this.say.saved);
  }

  // The map with its title, legend and note on one sheet.
  framed(image) {
    const scale = image.width / this.box.clientWidth;
    const sheet = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height + 56 * scale });
    const pen = sheet.getContext("2d");
    pen.scale(scale, scale);
    const [width, c] = [image.width / scale, this.colours];
    const text = (words, x, y, font, colour = c.ink) => { pen.font = `${font} ${getComputedStyle(document.body).fontFamily}`; pen.fillStyle = colour; pen.fillText(words, x, y); };
    pen.fillStyle = c.card;
    pen.fillRect(0, 0, width, sheet.height / scale);
    pen.drawImage(image, 0, 56, width, image.height / scale);
    const measure = this.cells && (this.cells.compared || this.cells.metric) ? `: ${this.name().toLowerCase()}` : "";
    text(this.say.title + measure, 16, 26, "650 18px");
    text([this.chosen(), new Date().toLocaleDateString(language()), this.box.dataset.osm === "1" ? this.say.osm : ""].filter(Boolean).join(" · "), 16, 46, "13px", c.muted);
    if (this.cells?.cells.length) this.legendOn(pen, text, 12, image.height / scale + 56 - 40);
    this.scaleOn(pen, text, 14, image.height / scale + 56 - 14);
    return sheet;
  }

  scaleOn(pen, text, x, y) {
    const bar = this.box.querySelector(".maplibregl-ctrl-scale");
    if (!bar) return;
    pen.strokeStyle = this.colours["map-name"];
    pen.lineWidth = 2;
    pen.beginPath();
    [[x, y - 6], [x, y], [x + bar.offsetWidth, y], [x + bar.offsetWidth, y - 6]].forEach(([left, top], at) => (at ? pen.lineTo(left, top) : pen.moveTo(left, top)));
    pen.stroke();
    text(bar.textContent, x + 6, y - 5, "12px", this.colours["map-name"]);
  }

  legendOn(pen, text, x, bottom) {
    const rows = this.classes();
    const note = this.notShown();
    const height = rows.length * 18 + (note ? 34 : 16);
    pen.font = "12px sans-serif";
    pen.fillStyle = this.colours.card;
    pen.fillRect(x, bottom - height, Math.max(150, note ? pen.measureText(note).width + 30 : 0), height);
    rows.forEach(([colour, words], at) => {
      pen.fillStyle = colour;
      pen.globalAlpha = OPACITY;
      pen.fillRect(x + 10, bottom - height + 10 + at * 18, 16, 13);
      pen.globalAlpha = 1;
      text(words, x + 34, bottom - height + 21 + at * 18, "13px");
    });
    if (note) text(note, x + 10, bottom - 10, "12px", this.colours.muted);
  }

  // What is chosen in the form, in its own words.
  chosen() {
    const form = document.getElementById("geo-form");
    const named = [...form.querySelectorAll("select")].filter((field) => field.value).map((field) => field.selectedOptions[0].text);
    const ages = ["geo-age1", "geo-age2"].map((id) => document.getElementById(id).value);
    return [...named, ages.some(Boolean) ? `${ages[0] || 0}–${ages[1] || "…"}` : ""].filter(Boolean).join(", ");
  }
}
