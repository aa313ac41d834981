// The map of page "Карта": what it loads and when, branches, a pin, and the page around it.
"use strict";

(() => {
let shown = null;  // the map on this page, if its part is open

class CityMap extends MapSheet {
  constructor(box) {
    super();
    this.box = box;
    this.frame = JSON.parse(box.dataset.frame);
    this.say = JSON.parse(box.dataset.say);
    this.pinning = this.frame.mode === "pin";
    this.cells = null;
    this.loading = 0;
    this.focus = this.frame.home[0] || 0;
    this.colours = this.read();
    try {
      this.map = this.open();
    } catch {
      return this.apologise();
    }
    this.map.once("style.load", () => this.build());
    this.map.on("moveend", () => this.load());
    this.map.on("idle", () => { if (!this.loading) this.box.dataset.idle = this.cells || this.pinning ? this.map.getZoom().toFixed(2) : ""; });
    this.map.on("movestart", () => { this.box.dataset.idle = ""; });
    this.load(true);  // what comes before the style is there waits in this.data
    this.map.on("styleimagemissing", (event) => this.write(event.id));
    this.map.on("error", (event) => { if (!/tile|Failed to fetch|AJAX/i.test(String(event.error))) console.error(String(event.error)); });
  }

  build() {
    this.restore();
    if (this.frame.file) this.set("town", "/map/town");
    if (this.pinning) this.watchPin();
    else this.watchCells();
  }

  restore() {
    this.ready = true;
    this.drawBranches();
    for (const [id, value] of Object.entries(this.data || {})) this.set(id, value);
  }

  repaint() {
    this.colours = this.read();
    if (!this.ready) return;
    this.ready = false;
    this.map.setStyle(this.style(), { diff: false });
    this.map.once("style.load", () => {
      this.restore();
      if (this.cells) this.drawCells();
      this.setPin(this.pin);
    });
  }

  // -- branches and rings ------------------------------------------------------------------------------------------------

  drawBranches() {
    const { branches, radii } = this.frame;
    const point = ([id, name, latitude, longitude]) => feature({ type: "Point", coordinates: [longitude / MICRO, latitude / MICRO] }, { id, name, focus: id === this.focus });
    const home = branches.find(([id]) => id === this.focus);
    const ring = (metres) => {
      const points = circle(home[2] / MICRO, home[3] / MICRO, metres);
      const name = { name: `${metres / 1000} ${this.say.km}`, ringed: metres };
      const ends = [points[9], points[45]].map((coordinates) => feature({ type: "Point", coordinates }, name));
      return [feature({ type: "LineString", coordinates: points }, { radius: metres }), ...ends];
    };
    this.set("branches", collection(branches.map(point)));
    this.set("rings", collection(home ? radii.flatMap(ring) : []));
  }

  goBranch(id) {
    const branch = this.frame.branches.find((each) => each[0] === id);
    if (!branch) return;
    this.focus = id;
    this.drawBranches();
    this.go(branch[2], branch[3], 11.9);
  }

  go(latitude, longitude, zoom) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const near = this.map.getBounds().contains([longitude / MICRO, latitude / MICRO]);
    const how = { center: [longitude / MICRO, latitude / MICRO], zoom: Math.max(zoom, near ? this.map.getZoom() : 0) };
    if (calm || !near) this.map.jumpTo(how);
    else this.map.easeTo({ ...how, duration: 350 });
  }

  // -- what the view needs ---------------------------------------------------------------------------------------------------

  resolution() {
    const zoom = this.map.getZoom();
    return zoom < 9.3 ? 7 : zoom < 11.5 ? 8 : 9;
  }

  around() {
    const bounds = this.map.getBounds();
    const [south, west, north, east] = [bounds.getSouth(), bounds.getWest(), bounds.getNorth(), bounds.getEast()];
    const [up, right] = [(north - south) * MARGIN, (east - west) * MARGIN];
    return [south - up, west - right, north + up, east + right].map((value) => Math.round(value * MICRO));
  }

  covers(box) {
    if (!box) return false;
    const bounds = this.map.getBounds();
    return box[0] <= bounds.getSouth() * MICRO && box[1] <= bounds.getWest() * MICRO && box[2] >= bounds.getNorth() * MICRO && box[3] >= bounds.getEast() * MICRO;
  }

  query() {
    const query = new URLSearchParams(location.search);
    for (const name of ["tab", "lang", "place", "show", "group"]) query.delete(name);
    return query;
  }

  async load(anew = false) {
    if (anew) this.loaded = {};
    this.loading++;
    const loads = this.pinning ? [] : [this.loadCells(), this.loadHouses()];
    await Promise.all([...loads, this.loadStreets()]);  // in this order: the console answers one after another
    if (--this.loading === 0) this.map.triggerRepaint();  // and be idle once more, with all of it
  }

  // Loads /map/<name> unless what is loaded covers the view; an answer that comes after a newer question is left out.
  async fetched(name, key, more = {}) {
    const asked = `${this.query()} ${key}`;
    const last = this.loaded[name];
    if (last && last.asked === asked && this.covers(last.box)) return null;
    const box = this.around();
    const mine = (this.loaded[name] = { asked, box });
    const query = this.query();
    for (const [field, value] of Object.entries({ ...more, box: box.join(",") })) query.set(field, value);
    try {
      const answer = await fetch(`/map/${name}?${query}`);
      if (!answer.ok) throw new Error(answer.status);
      const value = await answer.json();
      return this.loaded[name] === mine ? value : null;
    } catch {
      if (this.loaded[name] === mine) delete this.loaded[name];
      if (name === "cells") this.tell(this.say.failed);
      clearTimeout(this.retry);
      this.retry = setTimeout(() => this.load(), POLL);
      return null;
    }
  }

  async loadStreets() {
    if (this.map.getZoom() < 9.5) return;
    const found = await this.fetched("streets", this.map.getZoom() < 12 ? "far" : "near");
    if (!found) return;
    const line = (part, properties) => feature({ type: "LineString", coordinates: pairs(part) }, properties);
    const title = (name, houses, parts) => {
      const longest = pairs(parts.reduce((a, b) => (b.length > a.length ? b : a), []));
      return longest.length > 1 ? [named(longest, name, houses)] : []; // of one house only: it leads nowhere
    };
    this.set("streets", collection(found.streets.flatMap(([name, houses, parts]) => [
      ...parts.map((part) => line(part, { name, houses })), ...title(name, houses, parts),
    ])));
    this.drawList();
  }

  async loadCells() {
    if (!this.cells) this.tell(this.say.wait);
    const found = await this.fetched("cells", this.resolution(), { res: this.resolution() });
    if (!found) return;
    this.cells = found;
    this.drawCells();
  }

  async loadHouses() {
    if (!this.frame.points || this.map.getZoom() < NEAR - 0.3) return;
    const found = await this.fetched("points", "");
    if (!found) return;
    this.set("houses", collection(found.points.map(([latitude, longitude, people, fresh]) => feature({ type: "Point", coordinates: [longitude / MICRO, latitude / MICRO] }, { people, fresh }))));
  }

  // -- a pin -----------------------------------------------------------------------------------------------------------------

  watchPin() {
    const field = document.getElementById("geo-point");
    this.map.getCanvas().classList.add("geo-aim");
    this.setPin(this.frame.pin);
    this.map.on("click", ({ lngLat }) => {
      this.setPin([lngLat.lat * MICRO, lngLat.lng * MICRO]);
      const typed = document.getElementById("geo-point");
      typed.value = `${lngLat.lat.toFixed(6)}, ${lngLat.lng.toFixed(6)}`;
      typed.dispatchEvent(new Event("input", { bubbles: true }));
    });
    field?.addEventListener("change", () => {
      const read = /^\s*(-?\d+(?:\.\d+)?)\s*[,; ]\s*(-?\d+(?:\.\d+)?)\s*$/.exec(field.value);
      if (!read || Math.abs(read[1]) > 85 || Math.abs(read[2]) > 180) return;
      this.setPin([read[1] * MICRO, read[2] * MICRO]);
      this.go(read[1] * MICRO, read[2] * MICRO, 15);
    });
  }

  setPin(point) {
    this.pin = point;
    this.set("pin", point ? feature({ type: "Point", coordinates: [point[1] / MICRO, point[0] / MICRO] }) : EMPTY);
  }

  close() {
    clearTimeout(this.retry);
    this.ready = false;
    this.map?.remove();
  }
}

// -- the page around it ------------------------------------------------------------------------------------------------------

let address = location.search;
let version = page.dataset.version;

function mount() {
  const box = document.getElementById("geo-map");
  if (shown && shown.box !== box) { shown.close(); shown = null; }
  if (box && !shown) { shown = new CityMap(box); address = location.search; window.cityMap = shown.map; return; }
  if (!shown) return;
  const moved = location.search !== address || page.dataset.version !== version;
  [address, version] = [location.search, page.dataset.version];
  if (moved) { shown.load(true); follow(); }
}

// Another branch in the form moves the map there.
let branchShown = new URLSearchParams(location.search).get("branch");
function follow() {
  const branch = new URLSearchParams(location.search).get("branch");
  if (branch !== branchShown && branch) shown.goBranch(Number(branch));
  branchShown = branch;
}

// After "show all", or a step back, the fields say again what the address says.
function settle() {
  const form = document.getElementById("geo-form");
  for (const field of form ? form.elements : []) {
    if (field === document.activeElement && field.type !== "radio" && field.type !== "checkbox") continue;
    delete field.dataset.dirty;
    if (field.type === "radio" || field.type === "checkbox") field.checked = field.defaultChecked;
    else if (field.nodeName === "SELECT") field.value = ([...field.options].find((option) => option.defaultSelected) || field.options[0]).value;
    else if (field.type !== "hidden") field.value = field.defaultValue;
  }
}

page.addEventListener("drawn", () => { settle(); mount(); });
page.addEventListener("change", (event) => {
  if ("rough" in event.target.dataset) document.getElementById("geo-rough-off").disabled = event.target.checked;
}, true);
page.addEventListener("click", (event) => {
  if (!shown) return;
  const to = event.target.closest("[data-to], [data-to-branch]");
  if (to?.dataset.toBranch) shown.goBranch(Number(to.dataset.toBranch));
  else if (to) shown.go(...to.dataset.to.split(",").map(Number), 14.4);
  if (event.target.closest("#geo-png")) shown.picture().catch(() => notice(words.failed, "bad"));
  const csv = event.target.closest("#geo-csv");
  if (csv) csv.href = shown.table();
}, true);
const again = () => shown?.repaint();
new MutationObserver(again).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
mount();
})();
