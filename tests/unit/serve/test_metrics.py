"""Figures for Prometheus."""

from prometheus_client.parser import text_string_to_metric_families
from serving import client_of


def test_the_text_is_what_prometheus_reads_and_counts_add_up() -> None:
    with client_of() as (client, _):
        for _ in range(3):
            client.post("/v1/completions", prompt="Таң", max_tokens=4, min_tokens=4)
        client.request("GET", "/nowhere/at/all")
        text = client.request("GET", "/metrics").text
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["endonym_generated_tokens_total", "тел"] == 12
    assert found["endonym_ended_total", "тел"] == 3
    assert found["endonym_active_sequences", "тел"] == 0
    assert found["endonym_requests_total", "/v1/completions", "200"] == 3
    assert found["endonym_requests_total", "404", "other"] == 1
