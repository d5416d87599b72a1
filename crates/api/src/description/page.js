"use strict";
// The reference page. Everything that it shows came from the server or from a person, so it is put in as text and
// never as markup.
(() => {
  const base = location.pathname.replace(/\/api\/docs\/?$/, "");
  const byId = (id) => document.getElementById(id);
  const state = { document: null, access: null, refresh: null, email: null };

  /** An element with attributes, listeners (`onclick`) and children; texts become text nodes. */
  function el(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === undefined || value === false) continue;
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (name === "value") node.value = value;
      else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
    return node;
  }

  /** Paragraphs and `code`, the two things that descriptions use of Markdown. */
  function prose(text) {
    return (text || "").split("\n\n").filter(Boolean).map((part) =>
      el("p", {}, part.split("`").map((piece, at) => (at % 2 ? el("code", {}, piece) : piece))));
  }

  function resolved(node) {
    for (let hops = 0; node && node.$ref && hops < 8; hops += 1) {
      let found = state.document;
      for (const part of node.$ref.slice(2).split("/")) {
        found = found?.[part.replaceAll("~1", "/").replaceAll("~0", "~")];
      }
      node = found;
    }
    return node || {};
  }
  const nameOf = (ref) => ref.split("/").pop();

  // ---- schemas ----

  /** A schema in one line. */
  function typeOf(schema) {
    if (schema.$ref) return nameOf(schema.$ref);
    if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
    if ("const" in schema) return JSON.stringify(schema.const);
    const either = schema.anyOf || schema.oneOf;
    if (either) return [...new Set(either.map(typeOf))].join(" | ");
    const word = (name) => {
      if (name === "array") {
        const item = typeOf(schema.items || {});
        return item.includes(" ") ? `(${item})[]` : `${item}[]`;
      }
      return name !== "null" && schema.format ? schema.format : name;
    };
    let type = [schema.type ?? "any"].flat().map(word).join(" | ");
    const bounds = [];
    const between = (least, most, what) => {
      if (least !== undefined && most !== undefined) bounds.push(`${least} to ${most} ${what}`);
      else if (least !== undefined) bounds.push(`at least ${least} ${what}`);
      else if (most !== undefined) bounds.push(`at most ${most} ${what}`);
    };
    between(schema.minLength, schema.maxLength, "characters");
    between(schema.minItems, schema.maxItems, "items");
    if (schema.minimum !== undefined && Math.abs(schema.minimum) < 2 ** 53 - 1) bounds.push(`≥ ${schema.minimum}`);
    if (schema.maximum !== undefined && Math.abs(schema.maximum) < 2 ** 53 - 1) bounds.push(`≤ ${schema.maximum}`);
    if (schema.default !== undefined) bounds.push(`default ${JSON.stringify(schema.default)}`);
    if (bounds.length) type += ` (${bounds.join(", ")})`;
    return type;
  }

  /** The objects that a schema can be, for folding out. */
  function objectsIn(schema) {
    if (schema.$ref) {
      const target = resolved(schema);
      return target.properties ? [[nameOf(schema.$ref), target]] : objectsIn(target);
    }
    if (schema.properties) return [["members", schema]];
    return [...(schema.anyOf || []), ...(schema.oneOf || []), ...(schema.items ? [schema.items] : [])].flatMap(objectsIn);
  }

  /** Folded until somebody looks: schemas lead to each other in circles. */
  function fold(title, fill, open = false) {
    const details = el("details", { class: "fold" }, el("summary", {}, title));
    let filled = false;
    const show = () => {
      if (details.open && !filled) {
        filled = true;
        details.append(...[fill()].flat());
      }
    };
    details.addEventListener("toggle", show);
    if (open) {
      details.open = true;
      show();
    }
    return details;
  }

  function members(schema) {
    const needed = new Set(schema.required || []);
    const rows = Object.entries(schema.properties || {}).flatMap(([name, member]) => [
      el("div", { class: "name" }, name, needed.has(name) ? el("span", { class: "needed" }, "required") : null),
      el("div", {},
        el("span", { class: "type" }, typeOf(member), member.readOnly ? " · read only" : ""),
        prose(member.description),
        objectsIn(member).map(([title, object]) => fold(title, () => members(object)))),
    ]);
    return el("div", { class: "schema" }, prose(schema.description), el("div", { class: "rows" }, rows),
      schema.additionalProperties === true ? el("p", { class: "quiet" }, "And any other member.") : null);
  }

  function schemaView(schema) {
    const objects = objectsIn(schema);
    if (!objects.length) return [el("p", { class: "type" }, typeOf(schema))];
    return [el("p", { class: "type" }, typeOf(schema)), ...objects.map(([title, object], at) => fold(title, () => members(object), at === 0))];
  }

  /** A body to begin with: what is required, and what has a default. */
  function example(schema, depth = 0) {
    schema = resolved(schema);
    if (schema.default !== undefined) return schema.default;
    if (schema.enum) return schema.enum[0];
    if ("const" in schema) return schema.const;
    const either = schema.anyOf || schema.oneOf;
    if (either) return example(either[0], depth + 1);
    const type = [schema.type].flat()[0];
    if (type === "object") {
      const out = {};
      if (depth > 4) return out;
      const required = new Set(schema.required || []);
      for (const [name, member] of Object.entries(schema.properties || {})) {
        if (required.has(name) || resolved(member).default !== undefined) out[name] = example(member, depth + 1);
      }
      return out;
    }
    if (type === "array") return [];
    if (type === "integer" || type === "number") return schema.minimum > 0 ? schema.minimum : 0;
    if (type === "boolean") return false;
    if (type === "string") {
      if (schema.format === "uuid") return "00000000-0000-0000-0000-000000000000";
      if (schema.format === "date-time") return new Date().toISOString();
      if (schema.format === "date") return new Date().toISOString().slice(0, 10);
      if (schema.format === "email") return "name@example.com";
      if (schema.format === "iri") return "https://example.com";
      return schema.pattern ? "1" : "";
    }
    return null;
  }

  // ---- parameters ----

  /** Plain filters are many of one kind: a field, and its comparisons in brackets. */
  function sorted(parameters) {
    const filters = new Map();
    for (const parameter of parameters) {
      const [, field, op] = parameter.name.match(/^(\w+)\[(\w+)\]$/) || [];
      if (field && parameter.in === "query") {
        if (!filters.has(field)) filters.set(field, new Map());
        filters.get(field).set(op, parameter);
      }
    }
    const plain = parameters.filter((parameter) => {
      if (parameter.in === "query" && filters.has(parameter.name) && !parameter.description) {
        filters.get(parameter.name).set("eq", parameter);
        return false;
      }
      return !(parameter.in === "query" && /\[\w+\]$/.test(parameter.name));
    });
    return { plain, filters };
  }

  function parameterView({ plain, filters }) {
    const rows = plain.flatMap((parameter) => [
      el("div", { class: "name" }, parameter.name,
        parameter.required ? el("span", { class: "needed" }, "required") : null,
        el("span", { class: "quiet" }, ` ${parameter.in}`)),
      el("div", {}, el("span", { class: "type" }, typeOf(parameter.schema || {})), prose(parameter.description)),
    ]);
    const out = [];
    if (rows.length) out.push(el("h3", {}, "Parameters"), el("div", { class: "rows" }, rows));
    if (filters.size) {
      out.push(fold(`Plain filters on ${filters.size} fields`, () => el("div", { class: "rows" },
        [...filters].flatMap(([field, ops]) => [
          el("div", { class: "name" }, field),
          el("div", {}, el("span", { class: "type" }, typeOf((ops.get("eq") || [...ops.values()][0]).schema || {})),
            el("p", { class: "quiet" }, [...ops.keys()].sort().join(", "))),
        ]))));
    }
    return out;
  }

  // ---- calls ----

  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

  function curlOf(request) {
    const parts = [request.method === "GET" ? "curl -i" : `curl -i -X ${request.method}`];
    parts.push(quoted(location.origin + request.path));
    if (request.signed) parts.push('-H "authorization: Bearer $TOKEN"');
    for (const [name, value] of Object.entries(request.headers)) parts.push(`-H ${quoted(`${name}: ${value}`)}`);
    if (request.body !== undefined) parts.push(`-d ${quoted(request.body)}`);
    return parts.join(" \\\n  ");
  }

  async function call(request) {
    const headers = { ...request.headers };
    if (request.signed && state.access) headers.authorization = `Bearer ${state.access}`;
    return fetch(request.path, {
      method: request.method, headers, body: request.body, credentials: "omit", cache: "no-store", redirect: "error",
    });
  }

  /** The same once more with a new access token, where the old one has run out. */
  async function callFresh(request) {
    const response = await call(request);
    if (response.status !== 401 || !request.signed || !state.refresh) return response;
    const problem = await response.clone().json().catch(() => ({}));
    if (problem.code !== "auth.bad_token") return response;
    const renewed = await post("/api/auth/refresh", { refresh_token: state.refresh });
    if (!renewed.ok) {
      forget();
      return response;
    }
    const tokens = await renewed.json();
    state.access = tokens.access_token;
    state.refresh = tokens.refresh_token;
    return call(request);
  }

  function post(path, body, signed = false) {
    return call({
      method: "POST", path: base + path, signed,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  }

  async function copy(text, button) {
    const said = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Copying is not allowed here";
    }
    setTimeout(() => { button.textContent = said; }, 1500);
  }

  // ---- the console ----

  function consoleView(path, method, operation, parameters) {
    const inputs = [];
    const input = (parameter) => {
      const schema = resolved(parameter.schema || {});
      const options = schema.enum || (schema.type === "boolean" ? [true, false] : null);
      const field = options
        ? el("select", {}, el("option", { value: "" }, ""), options.map((value) => el("option", {}, String(value))))
        : el("input", { placeholder: schema.default === undefined ? "" : String(schema.default), autocomplete: "off", spellcheck: "false" });
      inputs.push([parameter, field]);
      return el("label", {}, el("span", { class: "name" }, parameter.name, parameter.required ? el("span", { class: "needed" }, "required") : null), field);
    };
    const { plain, filters } = sorted(parameters);
    const first = plain.filter((parameter) => parameter.in !== "header");
    const more = plain.filter((parameter) => parameter.in === "header");
    const filterRows = el("div", {});
    const chosen = [];
    const addFilter = () => {
      const field = el("select", { "aria-label": "Field" }, [...filters.keys()].map((name) => el("option", {}, name)));
      const op = el("select", { "aria-label": "Comparison" });
      const ops = () => op.replaceChildren(...[...filters.get(field.value).keys()].sort((a, b) => (b === "eq") - (a === "eq")).map((name) => el("option", {}, name)));
      ops();
      field.addEventListener("change", ops);
      const value = el("input", { "aria-label": "Value; of [in], separated by commas", spellcheck: "false" });
      const one = { read: () => [filters.get(field.value).get(op.value), value.value] };
      chosen.push(one);
      const row = el("div", { class: "filter" }, field, op, value, el("button", {
        type: "button", "aria-label": "Remove the filter",
        onclick: () => { chosen.splice(chosen.indexOf(one), 1); row.remove(); show(); },
      }, "Remove"));
      filterRows.append(row);
      field.focus();
    };

    const content = operation.requestBody?.content || {};
    const types = Object.keys(content);
    const type = el("select", { "aria-label": "Content type" }, types.map((name) => el("option", {}, name)));
    const body = types.length
      ? el("textarea", { "aria-label": "Body", spellcheck: "false", value: JSON.stringify(example(content[types[0]].schema), null, 2) })
      : null;

    const request = () => {
      let address = path;
      const query = [];
      const headers = {};
      const put = (parameter, text) => {
        const schema = resolved(parameter.schema || {});
        if (schema.type === "array" && parameter.explode !== false) {
          for (const item of text.split(",")) query.push([parameter.name, item]);
        } else query.push([parameter.name, text]);
      };
      for (const [parameter, field] of inputs) {
        if (field.value === "") continue;
        if (parameter.in === "path") address = address.replace(`{${parameter.name}}`, encodeURIComponent(field.value));
        else if (parameter.in === "header") headers[parameter.name.toLowerCase()] = field.value;
        else put(parameter, field.value);
      }
      for (const one of chosen) put(...one.read());
      if (body) headers["content-type"] = type.value;
      const search = query.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join("&");
      return {
        method: method.toUpperCase(), path: base + address + (search ? `?${search}` : ""), headers,
        body: body ? body.value : undefined,
        signed: Boolean(state.access) && operation.security?.length !== 0,
      };
    };

    const line = el("pre", {});
    const show = () => { line.textContent = curlOf(request()); };
    const answer = el("div", { "aria-live": "polite" });
    const send = el("button", { type: "submit", class: "main" }, "Send");
    const form = el("form", {
      class: "console", novalidate: true,
      oninput: show,
      onchange: show,
      onsubmit: async (event) => {
        event.preventDefault();
        const missing = inputs.find(([parameter, field]) => parameter.required && field.value === "");
        if (missing) {
          answer.replaceChildren(el("p", { class: "error" }, `${missing[0].name} is required.`));
          missing[1].focus();
          return;
        }
        send.disabled = true;
        const began = performance.now();
        try {
          const response = await callFresh(request());
          const text = await response.text();
          answer.replaceChildren(...answerView(response, text, performance.now() - began));
        } catch (error) {
          answer.replaceChildren(el("p", { class: "error" }, `No answer: ${error.message}`));
        }
        send.disabled = false;
      },
    },
    el("h3", {}, "Try it"),
    first.map(input),
    filters.size ? [filterRows, el("button", { type: "button", onclick: () => { addFilter(); show(); } }, "Add a filter")] : null,
    more.length ? el("details", { class: "fold" }, el("summary", {}, "Headers"), more.map(input)) : null,
    body ? [el("h3", {}, "Body "), types.length > 1 ? type : el("p", { class: "quiet" }, types[0]), body] : null,
    el("div", { class: "row" }, send),
    line,
    el("button", { type: "button", onclick: (event) => copy(line.textContent, event.currentTarget) }, "Copy the curl line"),
    answer);
    show();
    form.addEventListener("signed", show);
    return form;
  }

  function answerView(response, text, took) {
    let shown = text;
    if (/json/.test(response.headers.get("content-type") || "")) {
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* Shown as it came. */ }
    }
    const size = new TextEncoder().encode(text).length;
    return [
      el("h3", {}, el("span", { class: `status ${response.ok || response.status === 304 ? "good" : "bad"}` }, `${response.status} ${response.statusText}`),
        el("span", { class: "quiet" }, ` · ${Math.round(took)} ms · ${size} bytes`)),
      fold("Headers", () => el("pre", {}, [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n"))),
      shown ? el("pre", { tabindex: "0", "aria-label": "The answer's body" }, shown) : el("p", { class: "quiet" }, "No body."),
    ];
  }

  // ---- the page ----

  function responseView(responses) {
    return Object.entries(responses).map(([status, reference]) => {
      const response = resolved(reference);
      const media = Object.entries(response.content || {});
      const good = Number(status) < 400;
      return fold(`${status} · ${(response.description || "").split("\n")[0].replaceAll("`", "")}`, () => [
        ...prose(response.description),
        ...media.flatMap(([name, { schema }]) => [el("p", { class: "quiet" }, name), ...(good ? schemaView(schema || {}) : [])]),
      ]);
    });
  }

  function endpointView(path, method, operation, shared) {
    const parameters = [...(operation.parameters || []), ...shared].map(resolved);
    const details = el("details", { class: "endpoint", id: operation.operationId },
      el("summary", {}, el("span", { class: `method ${method}` }, method), el("span", { class: "path" }, path), el("span", { class: "says" }, operation.summary || "")));
    let filled = false;
    details.addEventListener("toggle", () => {
      if (!details.open || filled) return;
      filled = true;
      const bodies = Object.entries(operation.requestBody?.content || {});
      const good = Object.entries(operation.responses).filter(([status]) => Number(status) < 400);
      const bad = Object.entries(operation.responses).filter(([status]) => Number(status) >= 400);
      details.append(el("div", { class: "inside" },
        prose(operation.description),
        operation.security?.length === 1 ? el("p", { class: "quiet" }, "For those who are signed in.") : null,
        parameterView(sorted(parameters)),
        bodies.length ? [el("h3", {}, "Body"), el("p", { class: "quiet" }, bodies.map(([name]) => name).join(" or ")), schemaView(bodies[0][1].schema || {})] : null,
        el("h3", {}, "Answers"), responseView(Object.fromEntries(good)),
        fold("Errors", () => responseView(Object.fromEntries(bad))),
        consoleView(path, method, operation, parameters)));
    });
    return details;
  }

  const METHODS = ["get", "post", "put", "patch", "delete"];

  function render() {
    const { info, tags, paths } = state.document;
    byId("title").textContent = `${info.title} API`;
    document.title = `${info.title} API`;
    const groups = new Map((tags || []).map((tag) => [tag.name, { tag, endpoints: [] }]));
    for (const [path, item] of Object.entries(paths)) {
      for (const method of METHODS.filter((name) => item[name])) {
        const operation = item[method];
        const name = operation.tags?.[0] ?? "";
        if (!groups.has(name)) groups.set(name, { tag: { name }, endpoints: [] });
        groups.get(name).endpoints.push({ path, method, operation, shared: item.parameters || [] });
      }
    }
    const full = [...groups.values()].filter((group) => group.endpoints.length);
    byId("contents").replaceChildren(...full.map(({ tag, endpoints }) => el("section", {},
      el("h2", {}, tag.name),
      el("ul", {}, endpoints.map(({ method, path, operation }) => el("li", {},
        el("a", { href: `#${operation.operationId}`, title: path }, el("span", { class: `method ${method}` }, method), el("span", {}, operation.summary))))))));
    byId("main").replaceChildren(
      ...prose(info.description),
      el("p", { class: "quiet" }, "The description itself: ", el("a", { href: `${base}/api/openapi.json` }, "openapi.json"), ` (version ${info.version})`),
      ...full.map(({ tag, endpoints }) => el("section", { "aria-label": tag.name },
        el("h2", {}, tag.name), prose(tag.description),
        endpoints.map(({ path, method, operation, shared }) => endpointView(path, method, operation, shared)))));
    find();
    follow();
  }

  /** Hides what does not match. */
  function find() {
    const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const section of byId("contents").children) {
      let some = false;
      for (const item of section.querySelectorAll("li")) {
        const text = `${item.textContent} ${item.firstChild.title}`.toLowerCase();
        item.hidden = !words.every((word) => text.includes(word));
        some ||= !item.hidden;
      }
      section.hidden = !some;
    }
  }

  /** Opens the endpoint that the address names. */
  function follow() {
    const target = location.hash.length > 1 && byId(decodeURIComponent(location.hash.slice(1)));
    if (!target || target.tagName !== "DETAILS") return;
    target.open = true;
    target.scrollIntoView();
    target.querySelector("summary").focus({ preventScroll: true });
    menu(false);
  }

  async function load() {
    try {
      const response = await callFresh({ method: "GET", path: `${base}/api/openapi.json`, headers: {}, signed: Boolean(state.access) });
      if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
      state.document = await response.json();
      render();
    } catch (error) {
      byId("main").replaceChildren(el("p", { class: "error" }, `The description cannot be read: ${error.message}`),
        el("button", { type: "button", onclick: load }, "Try again"));
    }
  }

  // ---- who is reading ----

  function account() {
    byId("who").textContent = state.email || "";
    byId("account-open").textContent = state.access ? "Sign out" : "Sign in";
    let token = byId("token");
    if (state.access && !token) {
      token = el("button", { id: "token", type: "button", class: "plain", onclick: (event) => copy(state.access, event.currentTarget) }, "Copy token");
      byId("account-open").before(token);
    } else if (!state.access) token?.remove();
  }

  function forget() {
    state.access = state.refresh = state.email = null;
    account();
  }

  byId("account-open").addEventListener("click", async () => {
    if (!state.access) {
      byId("account").showModal();
      return;
    }
    await post("/api/auth/logout", undefined, true).catch(() => null);
    forget();
    load();
  });
  byId("account-close").addEventListener("click", () => byId("account").close());
  byId("sign-in").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const error = byId("sign-in-error");
    error.textContent = "";
    const { email, password } = Object.fromEntries(new FormData(form));
    try {
      const response = await post("/api/auth/login", { email, password });
      const answer = await response.json();
      if (!response.ok) {
        error.textContent = answer.detail || answer.title || "That did not work.";
        return;
      }
      state.access = answer.access_token;
      state.refresh = answer.refresh_token;
      state.email = answer.user.email || email;
      form.reset();
      byId("account").close();
      account();
      load();
    } catch (problem) {
      error.textContent = `No answer: ${problem.message}`;
    }
  });

  // ---- the frame ----

  function menu(open) {
    byId("side").classList.toggle("open", open);
    byId("menu").setAttribute("aria-expanded", String(open));
  }
  byId("menu").addEventListener("click", () => menu(!byId("side").classList.contains("open")));
  byId("find").addEventListener("input", find);
  const themes = ["auto", "light", "dark"];
  byId("theme").addEventListener("click", (event) => {
    const next = themes[(themes.indexOf(document.documentElement.dataset.theme || "auto") + 1) % themes.length];
    document.documentElement.dataset.theme = next;
    event.currentTarget.textContent = `Theme: ${next}`;
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, textarea, select");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      menu(true);
      byId("find").focus();
    }
  });
  addEventListener("hashchange", follow);
  load();
})();
