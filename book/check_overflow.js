// Runs in a page shown at a phone's width: what sticks out to the right and cannot be scrolled in a box of its own.
const width = document.documentElement.clientWidth;
const text = document.querySelector(".bd-article-container") ?? document.body;

function scrollsInside(element) {
  for (let e = element.parentElement; e && e !== text; e = e.parentElement) {
    if (getComputedStyle(e).overflowX !== "visible") return true;
  }
  return false;
}

const name = (e) => e.tagName.toLowerCase() + [...e.classList].map((c) => "." + c).join("");
const out = [...text.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > width + 1 && !scrollsInside(e));
const page = document.documentElement.scrollWidth;
return out.length ? [...new Set(out.map(name))].slice(0, 5) : page > width + 1 ? [`the page is ${page} px wide`] : [];
