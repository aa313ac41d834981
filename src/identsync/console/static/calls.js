// The player of recordings. What is played stays as it is while the page around it is drawn anew (data-own).
"use strict";

let speed = 1;  // what a person chose holds for the next recordings too

const soundOf = (element) => $("audio", element.closest(".player"));
const minutes = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const lengthOf = (audio) => (Number.isFinite(audio.duration) ? audio.duration : 0);

function showSound(audio) {
  const player = audio.closest(".player");
  const bar = $("input[type=range]", player);
  const length = lengthOf(audio);
  bar.disabled = !length;
  if (length && !bar.matches(":active")) bar.value = String(Math.round((audio.currentTime / length) * 1000));
  bar.setAttribute("aria-valuetext", minutes(audio.currentTime));
  $(".player-time", player).textContent = length ? `${minutes(audio.currentTime)} / ${minutes(length)}` : minutes(audio.currentTime);
  $("[data-play]", player).setAttribute("aria-pressed", String(!audio.paused));
  player.toggleAttribute("data-waiting", !audio.paused && audio.readyState < 3);
  for (const button of $$("[data-speed]", player)) button.setAttribute("aria-pressed", String(Number(button.dataset.speed) === audio.playbackRate));
}

function playOrPause(audio) {
  if (!audio.paused) return audio.pause();
  for (const other of $$(".player audio")) if (other !== audio) other.pause();
  audio.defaultPlaybackRate = speed;
  audio.playbackRate = speed;
  audio.play().catch(() => {});  // why not is told by its error event
  showSound(audio);
}

function moveTo(audio, seconds) {
  if (lengthOf(audio)) audio.currentTime = Math.min(Math.max(seconds, 0), lengthOf(audio));
  showSound(audio);
}

page.addEventListener("click", (event) => {
  const button = event.target.closest(".player button");
  if (!button) return;
  const audio = soundOf(button);
  if ("play" in button.dataset) playOrPause(audio);
  else if (button.dataset.jump) moveTo(audio, audio.currentTime + Number(button.dataset.jump));
  else if (button.dataset.speed) {
    speed = Number(button.dataset.speed);
    audio.playbackRate = speed;
    showSound(audio);
  }
});
page.addEventListener("input", (event) => {
  if (event.target.matches(".player input[type=range]")) moveTo(soundOf(event.target), (Number(event.target.value) / 1000) * lengthOf(soundOf(event.target)));
});
for (const news of ["play", "pause", "playing", "waiting", "timeupdate", "durationchange", "ratechange", "ended", "seeked"]) {
  page.addEventListener(news, (event) => { if (event.target.matches(".player audio")) showSound(event.target); }, true);
}

// The browser says only that it failed; the program says why, and what to do.
page.addEventListener("error", async (event) => {
  if (!event.target.matches(".player audio")) return;
  showSound(event.target);
  try {
    const answer = await fetch(event.target.src, { cache: "no-store" });
    if (answer.ok) return notice(words.failed, "bad");
    const said = await answer.json();
    notice(said.notice, said.kind, said.todo);
  } catch {
    notice(words.failed, "bad");
  }
  event.target.load();
}, true);
