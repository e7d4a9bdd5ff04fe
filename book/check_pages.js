// Runs in a page once it has loaded: what check_pages.py needs to know about it.
// arguments: the function to call with the answer.
const done = arguments[arguments.length - 1];

const TYPESET_ELSEWHERE = "pre, code, script, style, textarea, mjx-container, .math";
const RAW_MATHS = /\\[a-zA-Z]{2,}|\\[(\[]|\$\$/;

async function brokenImages() {
  const tries = [...document.images].map((image) => {
    image.loading = "eager";
    return image.decode().then(() => null, () => image.getAttribute("src"));
  });
  return (await Promise.all(tries)).filter((src) => src !== null);
}

function anchors() {
  return [...document.querySelectorAll("[id], a[name]")].flatMap((e) => [e.id, e.getAttribute("name")]).filter(Boolean);
}

function rawMaths() {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (RAW_MATHS.test(node.data) && !node.parentElement.closest(TYPESET_ELSEWHERE)) found.push(node.data.trim().slice(0, 80));
  }
  return found;
}

// MathJax marks a syntax error with an merror node; an unknown macro it only prints in red.
function mathsErrors() {
  const found = [...document.querySelectorAll("mjx-merror, [data-mjx-error]")].map((e) => e.textContent || e.dataset.mjxError);
  for (const item of window.MathJax?.startup?.document?.math ?? []) {
    item.root.walkTree((node) => {
      if (node.isKind("merror") || node.attributes?.get("mathcolor") === "red") found.push(item.math);
    });
  }
  return found;
}

(async () => {
  // The driver may hand the page over before it is all there.
  if (document.readyState !== "complete") await new Promise((loaded) => addEventListener("load", loaded, { once: true }));
  await window.MathJax?.startup?.promise;
  const formulas = [...document.querySelectorAll(".math")];
  done({
    anchors: anchors(),
    links: [...document.querySelectorAll("a[href]")].map((a) => [a.getAttribute("href"), a.href]),
    images: [...document.images].map((i) => [i.getAttribute("src"), i.getAttribute("alt")]),
    brokenImages: await brokenImages(),
    foreignTags: [...document.querySelectorAll("script[src], link[href]:not([rel=canonical])")]
      .map((e) => e.src || e.href).filter((url) => /^(https?|wss?):/.test(url)),
    formulas: formulas.length,
    unrendered: formulas.filter((e) => !e.querySelector("mjx-container")).map((e) => e.textContent.trim().slice(0, 80)),
    rawMaths: rawMaths(),
    mathsErrors: mathsErrors(),
  });
})();
