"""Which agent it was in a chat of Zendesk, where its entries do not say so; what must come was worked out by hand."""

from __future__ import annotations

import pytest

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def chat(*agents, **entry):
    """Return a chat with a visitor's message and an agent's, of whose entry something is changed."""
    messages = [
        {"type": "chat.msg", "sender_type": "Visitor", "timestamp": "2026-03-01T10:00:05Z"},
        {"type": "chat.msg", "sender_type": "Agent", "timestamp": "2026-03-01T10:00:09Z", **entry},
    ]
    row = {"id": "c1", "type": "chat", "timestamp": "2026-03-01T10:00:00Z", "started_by": "visitor", "missed": False}
    row |= {"end_timestamp": "2026-03-01T10:01:00Z", "session": {"ip": "192.0.2.1", "user_agent": FIREFOX}}
    return row | {"agent_ids": list(agents), "history": messages}


def agents_of(found):
    return [agent for activity, agent in found.events("activity", "resource") if activity != "chat_started"]


@pytest.mark.parametrize(
    ("record", "message", "ended"),
    [
        (chat("7001"), "7001", "7001"),
        (chat("7001", agent_id=7001), "7001", "7001"),
        # Of two the entry says which one it was, or nobody knows.
        (chat("7001", "7002", agent_id=7002), "7002", ""),
        (chat("7001", "7002"), "", ""),
        (chat(), "", ""),
    ],
)
def test_zendesk_the_only_agent_of_a_chat_is_told_by_the_chat_and_of_several_none_is_guessed(
    mapped, record, message, ended
):
    # A visitor's message is nobody's of ours.
    assert agents_of(mapped("zendesk", {"chats.jsonl": [record]})) == ["", message, ended]


def test_zendesk_an_entry_that_does_not_say_who_wrote_it_is_a_message_of_nobody(mapped):
    # As some extractors have it: a name, which is not read, instead of the kind of sender.
    found = mapped("zendesk", {"chats.jsonl": [chat("7001", sender_type=None, nick="agent:7001", name="Clara")]})

    assert found.events("activity", "initiator", "resource") == [
        ("chat_started", "customer", ""),
        ("chat_message", "customer", ""),
        ("chat_message", "", ""),
        ("chat_ended", "", "7001"),
    ]


def test_zendesk_the_device_of_a_chat_is_the_visitors_and_told_where_it_starts(mapped):
    found = mapped("zendesk", {"chats.jsonl": [chat("7001")]})

    told = dict(found.events("activity", "browser"))
    assert told == {"chat_started": "Firefox", "chat_message": "", "chat_ended": ""}
    assert found.events("device_class", "operating_system")[0] == ("computer", "Linux")
