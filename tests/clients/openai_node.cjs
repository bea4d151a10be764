// OpenAI's client for Node asks a server of endonym: node openai_node.cjs URL/v1
const assert = require("node:assert");
const { OpenAI } = require("openai");

const question = { role: "user", content: "Кояш кайчан чыга?" };

async function main() {
  const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0 });
  const model = (await client.models.list()).data[0].id;
  const ask = (messages, more) =>
    client.chat.completions.create({ model, messages, max_tokens: 4, ...more });
  const nothing = {
    store: true, metadata: null, tools: [], tool_choice: "none", response_format: { type: "text" },
    parallel_tool_calls: true, service_tier: "auto", stop: null, logit_bias: {}, modalities: ["text"],
  };
  const answer = (await ask([question], nothing)).choices[0].message;
  await ask([question, answer, question]);
  const streamed = await client.chat.completions
    .stream({ model, messages: [question], max_tokens: 4 })
    .finalMessage();
  await ask([question, streamed, question]);
  const parts = [{ type: "text", text: "Кояш" }];
  await ask([{ role: "developer", content: "Кыска җавап бир." }, { role: "user", content: parts }]);
  await client.completions.create({ model, prompt: "Кояш", suffix: "", max_tokens: 2 });
  const { data } = await client.embeddings.create({ model, input: "Кояш" });
  assert(data[0].embedding.length > 1);
  await assert.rejects(ask([question], { response_format: { type: "json_object" } }), (error) => {
    assert.equal(error.status, 400);
    assert.equal(error.param, "response_format");
    return true;
  });
}

main();
