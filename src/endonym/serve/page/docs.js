"use strict";

function element(tag, text, ...children) {
  const found = document.createElement(tag);
  if (text) found.textContent = text;
  found.append(...children);
  return found;
}

function kind(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  const parts = (schema.anyOf ?? [schema]).map((each) => {
    if (each.$ref) return each.$ref.split("/").pop();
    if (each.type === "array") return `list of ${kind(each.items)}`;
    return each.const ?? each.enum?.join(" | ") ?? each.type;
  });
  return parts.join(" or ");
}

function bounds(schema) {
  const one = (schema.anyOf ?? [schema]).find((each) => each.type !== "null") ?? schema;
  const found = [];
  if (schema.default !== undefined && schema.default !== null) found.push(`default ${schema.default}`);
  if (one.minimum !== undefined) found.push(`from ${one.minimum}`);
  if (one.exclusiveMinimum !== undefined) found.push(`above ${one.exclusiveMinimum}`);
  if (one.maximum !== undefined) found.push(`to ${one.maximum}`);
  return found.join(", ");
}

function keys(schema) {
  const rows = Object.entries(schema.properties ?? {}).map(([name, each]) => {
    const title = schema.required?.includes(name) ? `${name} (required)` : name;
    return element("tr", "", element("td", title), element("td", kind(each)), element("td", bounds(each)));
  });
  return element("table", "", ...rows);
}

async function show() {
  const key = sessionStorage.getItem("key");
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const response = await fetch("openapi.json", { headers });
  const api = await response.json();
  document.getElementById("key-row").hidden = response.status !== 401;
  if (!response.ok) return;
  const place = document.getElementById("paths");
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, each] of Object.entries(methods)) {
      place.append(element("h2", `${method.toUpperCase()} ${path}`), element("p", each.description));
      const body = each.requestBody?.content["application/json"].schema.$ref;
      if (body) {
        const schema = api.components.schemas[body.split("/").pop()];
        place.append(element("p", schema.description), keys(schema));
      }
    }
  }
  document.getElementById("example").textContent =
    `curl ${location.origin}/v1/completions -H "Content-Type: application/json" \\\n` +
    `  -d '{"model": "NAME", "prompt": "…", "max_tokens": 40}'`;
}

document.getElementById("key").addEventListener("change", (event) => {
  sessionStorage.setItem("key", event.target.value);
  show();
});
show();
