// The stream of what changed. All tabs share one, in a worker: a browser opens six connections to a server, and with a
// stream in each tab the seventh tab would wait for ever. Where there are no such workers a tab has its own.
"use strict";

function hearStream(tell) {
  const stream = new EventSource("/events");
  stream.addEventListener("sight", (event) => tell({ sight: JSON.parse(event.data), at: Date.now() }));
  stream.addEventListener("error", () => {
    tell({ sight: null });
    if (stream.readyState === EventSource.CLOSED) setTimeout(hearStream, 2000, tell);
  });
}

if ("onconnect" in self) {  // this is the worker
  const tabs = new Set();
  let last = null;  // what a tab that comes is told at once
  const join = (tab) => {
    tabs.add(tab);
    if (last) tab.postMessage(last);
  };
  self.onconnect = ({ ports: [tab] }) => {
    tab.onmessage = ({ data }) => (data === "leave" ? tabs.delete(tab) : join(tab));
    join(tab);
  };
  hearStream((news) => {
    last = news;
    for (const tab of tabs) tab.postMessage(news);
  });
}
