// The cells of the map: their colours, legend, the facts of one, and all of them as a list for keys and screen readers.
"use strict";

const LISTED = 50;

class MapCells extends MapGround {
  value([, people, fresh, kopecks, , before]) {
    const { compared, metric } = this.cells;
    if (compared) return people - before;
    return { share: (100 * people) / Math.max(this.cells.people, 1), new: fresh, revenue: kopecks / 100 }[metric] ?? people;
  }

  colour(value) {
    const bounds = this.cells.breaks;
    const c = this.colours;
    const above = bounds.filter((bound) => bound <= Math.abs(value)).length;
    if (!this.cells.compared) return c[this.palette()[above]];
    if (!value) return c["map-same"];
    return c[(value > 0 ? MORE : LESS)[Math.min(above, 2)]];
  }

  // Few classes take colours from the whole scale.
  palette() {
    const count = this.cells.breaks.length + 1;
    return Array.from({ length: count }, (_one, at) => PALETTE[count === 1 ? 3 : Math.round((at * (PALETTE.length - 1)) / (count - 1))]);
  }

  drawCells() {
    this.near = this.map.getZoom() >= 13;
    const hexagon = (row, at) => {
      const ring = drawnIn(pairs(row[6]), this.near ? 0.99 : 0.97);
      ring.push(ring[0]);
      return feature({ type: "Polygon", coordinates: [ring] }, { at, colour: this.colour(this.value(row)) }, at);
    };
    this.set("cells", collection(this.cells.cells.map(hexagon)));
    this.set("picked", EMPTY);
    this.drawLegend();
    this.drawList();
    document.dispatchEvent(new CustomEvent("map-drawn"));
  }

  tell(text) {
    document.getElementById("geo-legend")?.replaceChildren(put("p", text));
  }

  name() {
    return this.cells.compared ? this.say.change : this.say[this.cells.metric || "people"];
  }

  amount(value) {
    const metric = this.cells.metric;
    if (!this.cells.compared && metric === "share") return digits(value, 2);
    return digits(Math.round(value));
  }

  // Rows of the legend: [colour, words], from the most to the least.
  classes() {
    const { breaks, compared } = this.cells;
    const c = this.colours;
    if (!compared) {
      const bounds = [0, ...breaks];
      const palette = this.palette();
      const least = this.cells.metric ? 0 : this.cells.least;
      const low = (at) => this.amount(at ? bounds[at] : least);
      const words = (at) => (at + 1 < bounds.length ? `${low(at)} – ${this.amount(bounds[at + 1])}` : `≥ ${low(at)}`);
      return bounds.map((_bound, at) => [c[palette[at]], words(at)]).reverse();
    }
    const steps = [1, ...breaks].slice(0, 3);
    const range = (at, sign) => (at + 1 < steps.length ? `${sign}${this.amount(steps[at])} … ${sign}${this.amount(steps[at + 1])}` : `${sign === "+" ? "≥" : "≤"} ${sign}${this.amount(steps[at])}`);
    const ups = steps.map((_step, at) => [c[MORE[at]], range(at, "+")]).reverse();
    const downs = steps.map((_step, at) => [c[LESS[at]], range(at, "−")]);
    return [...ups, [c["map-same"], "0"], ...downs];
  }

  drawLegend() {
    const legend = document.getElementById("geo-legend");
    if (!legend) return;
    if (!this.cells.cells.length) return this.tell(this.cells.people ? this.notShown() || this.say.nothing : this.say.nothing);
    const list = document.createElement("ul");
    for (const [colour, words] of this.classes()) {
      const row = document.createElement("li");
      const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const shape = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
      picture.setAttribute("viewBox", "0 0 18 16");
      shape.setAttribute("points", "4.5,0.5 13.5,0.5 17.5,8 13.5,15.5 4.5,15.5 0.5,8");
      shape.setAttribute("fill", colour);
      shape.setAttribute("fill-opacity", OPACITY);
      picture.append(shape);
      row.append(picture, put("span", words));
      list.append(row);
    }
    const notes = [this.notShown(), this.frame.points && this.map.getZoom() < NEAR ? this.say.nearer : ""].filter(Boolean);
    legend.replaceChildren(put("b", this.name()), list, ...notes.map((note) => put("p", note)));
  }

  notShown() {
    return this.cells.hidden ? this.say.hidden.replace("{n}", digits(this.cells.hidden)) : "";
  }

  watchCells() {
    const map = this.map;
    map.on("mousemove", "cell", (event) => this.pick(event.features[0].properties.at));
    map.on("mouseleave", "cell", () => this.pick(null));
    document.getElementById("geo-list")?.addEventListener("toggle", () => this.drawList());
    for (const way of ["focusin", "click"]) document.getElementById("geo-list-rows")?.addEventListener(way, (event) => this.pickListed(event.target));
    map.on("click", "branch", (event) => this.goBranch(event.features[0].properties.id));
    map.on("click", "house", (event) => {
      if (event.features[0].properties.cluster) map.easeTo({ center: event.lngLat, zoom: map.getZoom() + 1.5, duration: 300 });
    });
    map.on("zoomend", () => {
      if (this.cells && this.near !== map.getZoom() >= 13) this.drawCells();
      else if (this.cells) this.drawLegend();
    });
  }

  // -- the same cells as a list: for keys, and for those who do not see the map ---------------------------------------------

  drawList() {
    const body = document.getElementById("geo-list-rows");
    if (!body || !this.cells || !document.getElementById("geo-list").open) return;
    const focused = document.activeElement?.dataset.cell;
    const ranked = this.cells.cells.map((row, at) => [Math.abs(this.value(row)), at]).sort((a, b) => b[0] - a[0]).slice(0, LISTED);
    body.replaceChildren(...ranked.map(([, at]) => this.listed(at)));
    document.getElementById("geo-list-what").textContent = this.name();
    document.getElementById("geo-list-more").textContent = this.cells.cells.length > LISTED ? this.say.first.replace("{n}", LISTED) : this.notShown();
    if (focused) body.querySelector(`[data-cell="${focused}"]`)?.focus();
  }

  listed(at) {
    const row = this.cells.cells[at];
    const value = this.value(row);
    const line = Object.assign(put("tr", ""), { id: `cell-${row[0]}` });
    const button = Object.assign(put("button", this.whereabouts(row), "geo-to"), { type: "button" });
    Object.assign(button.dataset, { cell: row[0], at, open: "" });
    line.dataset.row = "open";
    const place = put("td", "");
    place.append(button);
    line.append(place, put("td", `${this.cells.compared && value > 0 ? "+" : ""}${this.amount(value)}`, "num"));
    return line;
  }

  // The nearest street that has a name here, and how far the nearest branch is.
  whereabouts(row) {
    const centre = middle(pairs(row[6]));
    const nearest = (things, at) => things.reduce((best, thing) => (away(at(thing), centre) < away(at(best), centre) ? thing : best), things[0]);
    const streets = (this.data.streets?.features || []).filter(({ properties }) => properties.houses);
    const street = nearest(streets, ({ geometry }) => geometry.coordinates[geometry.coordinates.length >> 1]);
    const branch = nearest(this.frame.branches, ([, , latitude, longitude]) => [longitude / MICRO, latitude / MICRO]);
    const far = branch ? `${digits(away([branch[3] / MICRO, branch[2] / MICRO], centre), 1)} ${this.say.km}` : "";
    return [street?.properties.name || this.say.cell, far].filter(Boolean).join(", ");
  }

  pickListed(button) {
    const row = this.cells.cells[button.dataset?.at];
    if (!row) return;
    const [point] = pairs(row[6]);
    if (!this.map.getBounds().contains(point)) this.map.jumpTo({ center: point });
    this.pick(Number(button.dataset.at));
  }

  pick(at) {
    if (at === this.picked) return;
    this.picked = at;
    const row = at === null ? null : this.cells.cells[at];
    const ring = row ? pairs(row[6]) : [];
    this.set("picked", row ? feature({ type: "LineString", coordinates: [...ring, ring[0]] }) : EMPTY);
    const card = document.getElementById("geo-card");
    card.hidden = !row;
    if (row) card.replaceChildren(...this.facts(row));
  }

  facts([, people, fresh, kopecks, rough, before]) {
    const { compared, least } = this.cells;
    const line = (name, value) => {
      const row = put("div", "");
      row.append(put("span", name), put("span", value));
      return row;
    };
    const number = (n) => (compared && !n ? this.say.under : digits(n));
    const rows = [compared ? put("b", `${people - before > 0 ? "+" : people < before ? "−" : ""}${digits(Math.abs(people - before))}`) : put("b", plural(people, this.say.patients[0]))];
    if (compared) return [...rows, line(this.say.was, number(before)), line(this.say.became, number(people))];
    rows.push(line(this.say.of_all, `${digits((100 * people) / Math.max(this.cells.people, 1), 1)} %`));
    rows.push(line(this.say.fresh, fresh && fresh < least ? this.say.under : digits(fresh)));
    if (kopecks) rows.push(line(this.say.paid, `${digits(Math.round(kopecks / 100))} ₽`));
    if (rough) rows.push(line(this.say.rough, digits(rough)));
    return rows;
  }
}
