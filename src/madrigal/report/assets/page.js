"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  // Text of models enters the page here only, and only as text.
  const make = (tag, name, ...inside) => {
    const node = document.createElement(tag);
    if (name) node.className = name;
    node.append(...inside.filter((part) => part !== null && part !== ""));
    return node;
  };

  // Theme
  const root = document.documentElement;
  const remember = (value) => { try { return value ? localStorage.setItem("madrigal-theme", value) : localStorage.getItem("madrigal-theme"); } catch { return null; } };
  if (remember()) root.dataset.theme = remember();
  $("#theme").onclick = () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    remember(root.dataset.theme);
  };

  // Tabs
  for (const group of $$(".tabbed")) {
    const tabs = $$("[role=tab]", group);
    const choose = (tab) => tabs.forEach((other) => {
      other.setAttribute("aria-selected", String(other === tab));
      $("#" + other.dataset.panel).hidden = other !== tab;
    });
    tabs.forEach((tab) => { tab.onclick = () => choose(tab); });
    if (tabs.length) choose(tabs[0]);
  }

  // On paper nothing can be unfolded
  const folded = $$("details:not([open])");
  window.addEventListener("beforeprint", () => folded.forEach((part) => { part.open = true; }));
  window.addEventListener("afterprint", () => folded.forEach((part) => { part.open = false; }));

  // Sorting of tables
  for (const table of $$("table.sortable")) {
    $$("th[data-sort]", table).forEach((head, column) => { head.onclick = () => {
      const up = head.getAttribute("aria-sort") === "descending";
      $$("th", table.tHead).forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = (row) => {
        const cell = row.cells[column];
        return head.dataset.sort === "text" ? cell.textContent : Number(cell.dataset.value ?? cell.textContent.replace(/[^0-9.]/g, ""));
      };
      const order = (a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (up ? 1 : -1);
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
    }; });
  }

  // The reader of outputs
  const data = JSON.parse($("#outputs-data").textContent);
  if (!data.rows) return;
  const reader = $(".reader");
  const state = { ref: data.references[0] ?? "", task: "", show: "all", order: "worst", marks: "target", q: "", example: "" };
  const start = { ...state };
  const page = 12;
  let shown = page;

  const change = (row) => row.c[state.ref];
  const kind = (row) => (change(row) > 0 ? "won" : change(row) < 0 ? "lost" : change(row) === 0 ? "tied" : "");
  const unparsed = (row) => Boolean(row.o[data.final]?.u);
  const belief = (row) => (row.o[data.final]?.b ?? 0) - (row.o[state.ref]?.b ?? 0);
  const side = (name) => data.columns.includes(name) || name === state.ref; // stands side by side
  const text = (row) => [row.i, row.w, row.p, ...row.g, ...Object.keys(row.o).filter(side).map((name) => row.o[name].x)].join("\n").toLowerCase();
  const visible = (row, show = state.show) => (!state.task || row.t === state.task)
    && (show === "all" || (show === "unparsed" ? unparsed(row) : kind(row) === show))
    && (state.order !== "sample" || row.r) && (!state.q || text(row).includes(state.q.toLowerCase()));
  const orders = {
    worst: (a, b) => (change(a) ?? 0) - (change(b) ?? 0) || belief(a) - belief(b),
    best: (a, b) => (change(b) ?? 0) - (change(a) ?? 0) || belief(b) - belief(a),
  };

  // Words that are not in a longest common subsequence with the other text.
  const words = (value) => value.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];
  const common = (a, b) => {
    const best = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--)
      best[i][j] = a[i] === b[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
    const kept = new Set();
    for (let i = 0, j = 0; i < a.length && j < b.length;)
      if (a[i] === b[j]) { kept.add(i); i++; j++; } else if (best[i + 1][j] >= best[i][j + 1]) i++; else j++;
    return kept;
  };
  const marked = (value, others) => {
    const own = words(value).slice(0, 600);
    const kept = others.map((other) => common(own, words(other).slice(0, 600))).reduce((a, b) => (b.size > a.size ? b : a), new Set());
    // Neighbours share one mark, with the spaces between them.
    const missing = own.map((word, i) => word.trim() !== "" && !kept.has(i));
    const parts = [];
    for (let i = 0; i < own.length;) {
      let end = i + 1;
      while (end < own.length && missing[i] && (missing[end] || (!own[end].trim() && missing[end + 1]))) end++;
      const text = own.slice(i, end).join("");
      parts.push(missing[i] ? make("mark", "", text) : text);
      i = end;
    }
    return [...parts, value.slice(own.join("").length)];
  };

  const colour = (name) => (name === data.final ? "multi" : { base: "base", single: "single", "few-shot": "few" }[name] ?? "c5");
  const answer = (row, name) => {
    const given = row.o[name];
    const head = make("h5", "", data.variants[name]);
    if (!given) return make("div", "answer " + colour(name), head, make("div", "said empty", "no prediction"));
    const facts = [given.u ? "unparsed" : given.s, given.b === undefined ? "" : `p(target) ${Math.round(100 * given.b)} %`];
    head.append(make("small", "", facts.filter(Boolean).join(" · ")));
    const against = { target: row.g, ref: [row.o[name === data.final ? state.ref : data.final]?.x ?? ""], off: [] }[state.marks];
    const mark = against.length && (state.marks === "target" || name === data.final || name === state.ref);
    const said = make("div", given.x ? "said" : "said empty", ...(given.x ? (mark ? marked(given.x, against) : [given.x]) : [given.s.startsWith("perplexity") ? given.s : "empty"]));
    if (given.cut) said.append(make("small", "", ` … ${given.cut.toLocaleString("en")} more characters in the file`));
    return make("div", "answer " + colour(name), head, said);
  };
  const link = (row) => `#example=${encodeURIComponent(row.t)}/${encodeURIComponent(row.i)}`;
  const card = (row) => {
    const which = kind(row);
    const anchor = make("a", "", "link");
    anchor.href = link(row);
    const badge = which ? make("span", "badge " + which, `${which === "tied" ? "tied with" : which + " against"} ${data.variants[state.ref]}`) : "";
    const header = make("header", "", make("b", "", row.t), badge, unparsed(row) ? make("span", "badge", "unparsed") : "", make("span", "", row.w), anchor);
    const targets = row.g.map((target, i) => make("div", "said", i ? make("small", "", "or ") : "", target));
    if (row.more) targets.push(make("small", "", `and ${row.more} more accepted answers`));
    const names = Object.keys(data.variants).filter(side);
    const answers = make("div", "answers", row.g.length ? make("div", "answer target", make("h5", "", "target"), ...targets) : "", ...names.map((name) => answer(row, name)));
    const box = make("article", state.example === link(row) ? "card here" : "card", header, make("div", "prompt", row.p), answers);
    box.dataset.key = `${row.t}/${row.i}`;
    return box;
  };

  const total = (show) => Object.entries(data.tasks).filter(([name]) => !state.task || name === state.task)
    .reduce((sum, [, task]) => sum + (show === "all" ? task.total : show === "unparsed" ? task.unparsed : task.counts[state.ref]?.[show] ?? 0), 0);
  const draw = () => {
    $(".filters").replaceChildren(...["all", "lost", "won", "tied", "unparsed"].map((show) => {
      const button = make("button", "", show + " ", make("small", "", total(show).toLocaleString("en")));
      button.setAttribute("aria-pressed", String(state.show === show));
      button.dataset.show = show;
      button.onclick = () => set({ show });
      return button;
    }));
    $(".tallies").replaceChildren(...Object.entries(data.tasks).filter(([name, task]) => task.counts[state.ref] && (!state.task || name === state.task)).map(([name, task]) => {
      const counts = task.counts[state.ref];
      const bar = make("span", "tally-bar", ...["lost", "tied", "won"].map((part) => {
        const piece = make("span", part);
        piece.style.flexGrow = counts[part];
        return piece;
      }));
      const row = make("button", "tally-row", make("span", "", name), bar, make("small", "", `${counts.lost} lost · ${counts.tied} tied · ${counts.won} won`));
      row.type = "button";
      row.onclick = () => set({ task: state.task === name ? "" : name });
      return row;
    }));
    let rows = data.rows.filter((row) => visible(row));
    if (orders[state.order]) rows = rows.sort(orders[state.order]);
    if (state.example) rows = data.rows.filter((row) => link(row) === state.example);
    $(".cards").replaceChildren(...rows.slice(0, shown).map(card));
    $("#o-more").hidden = rows.length <= shown;
    const file = data.tasks[state.task]?.file ?? "";
    const where = make("a", "", file || "predictions/");
    where.href = file || "predictions/";
    $("#o-count").replaceChildren(state.example ? `One example${rows.length ? "" : " that is not on this page"}. ` : `${Math.min(shown, rows.length)} of ${rows.length} examples on this page${state.q ? " that match" : ""}, out of ${total(state.show).toLocaleString("en")} evaluated. `,
      state.order === "sample" ? "Drawn uniformly by seed. " : "The page holds the largest losses and gains, what could not be parsed, and a random sample. ", "All: ", where);
    if (state.example) { const all = make("button", "", "Show all examples"); all.onclick = () => set({}); $("#o-count").append(" ", all); }
    for (const [id, key] of [["ref", "ref"], ["task", "task"], ["order", "order"], ["marks", "marks"], ["search", "q"]]) $("#o-" + id).value = state[key];
  };

  // The state stands in the address, so that a view can be passed on.
  const set = (news, keep = false) => {
    Object.assign(state, { example: "" }, news);
    if (!keep) shown = page;
    const parts = Object.keys(start).filter((key) => key !== "example" && state[key] !== start[key]).map((key) => `${key}=${encodeURIComponent(state[key])}`);
    // Some browsers forbid it for files: the view changes all the same.
    try { history.replaceState(null, "", parts.length ? "#outputs?" + parts.join("&") : "#outputs"); } catch { /* no address to keep */ }
    draw();
  };
  const read = () => {
    const hash = location.hash;
    if (hash.startsWith("#example=")) Object.assign(state, start, { example: hash });
    else if (hash.startsWith("#outputs?")) {
      const given = Object.fromEntries(new URLSearchParams(hash.slice(9)));
      Object.assign(state, start, Object.fromEntries(Object.entries(given).filter(([key]) => key in start && key !== "example")));
      if (!data.references.includes(state.ref)) state.ref = start.ref;
      if (state.task && !data.tasks[state.task]) state.task = "";
    } else return false;
    shown = page;
    return true;
  };
  const option = (value, label) => { const node = make("option", "", label); node.value = value; return node; };
  $("#o-ref").append(...data.references.map((name) => option(name, data.variants[name])));
  $("#o-ref").parentNode.hidden = data.references.length < 1;
  $("#o-task").append(option("", "all tasks"), ...Object.keys(data.tasks).map((name) => option(name, name)));
  for (const key of ["ref", "task", "order", "marks"]) $("#o-" + key).onchange = (event) => set({ [key]: event.target.value });
  $("#o-search").oninput = (event) => set({ q: event.target.value });
  $("#o-more").onclick = () => { shown += page; draw(); };
  const arrive = () => { if (read()) { draw(); $("#outputs").scrollIntoView(); } };
  window.addEventListener("hashchange", arrive);
  reader.hidden = false;
  draw();
  arrive();
})();
