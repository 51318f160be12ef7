"""A device's mailbox: order, acknowledgement, and what a new connection is handed again."""

from hypothesis import given
from hypothesis import strategies as st

from lab.mailbox import Delivery, Mailbox
from lab.node import Node


def _mailbox(changed=None):
    return Mailbox(changed=changed or (lambda _: None), dropped=lambda _: None)


def _message(message_id, **attrs):
    return Node("message", {"id": message_id, **attrs})


def _nothing():
    pass


def test_a_feed_gets_what_waits_and_then_what_comes():
    mailbox, woken = _mailbox(), []
    mailbox.add(_message("A"), sender="x", at=1)
    feed = mailbox.attach(lambda: woken.append(1))
    mailbox.add(_message("B"), sender="x", at=2)
    assert [one.id for one in feed] == ["A", "B"]
    assert woken == [1]


def test_a_new_feed_ends_the_old_one():
    mailbox = _mailbox()
    old = mailbox.attach(_nothing)
    new = mailbox.attach(_nothing)
    mailbox.detach(old)
    mailbox.add(_message("A"), sender="x", at=1)
    assert (len(old), len(new)) == (0, 1)


def test_what_was_handed_and_not_acknowledged_is_handed_again():
    mailbox = _mailbox()
    mailbox.add(_message("A"), sender="x", at=1)
    for _ in range(2):
        mailbox.handed(mailbox.attach(_nothing).popleft())
    assert (mailbox.counts.handed, mailbox.counts.redelivered, len(mailbox)) == (1, 1, 1)
    assert mailbox.settle("message", "A", "receipt", 2) is not None
    assert (mailbox.counts.settled, len(mailbox)) == (1, 0)
    assert mailbox.settle("message", "A", "receipt", 3) is None


def test_the_oldest_of_two_with_one_id_is_settled_first():
    mailbox = _mailbox()
    first, second = (mailbox.add(_message("A"), sender="x", at=at) for at in (1, 2))
    mailbox.settle("message", "A", "ack", 3)
    assert (first.settled, second.settled) == ("ack", None)


def test_what_no_person_sees_is_not_counted_as_a_message():
    mailbox = _mailbox()
    peer = mailbox.add(_message("A", category="peer"), sender="x", at=1)
    mailbox.add(Node("receipt", {"id": "B"}), sender="x", at=1)
    mailbox.settle("message", "A", "receipt", 2)
    assert (peer.kind, peer.settled, mailbox.counts.queued, mailbox.counts.settled) == ("peer", "receipt", 0, 0)


@given(st.lists(st.sampled_from(["add", "hand", "settle", "reconnect"]), max_size=60))
def test_whatever_happens_nothing_is_lost_or_out_of_order(steps):
    kept: dict[int, Delivery] = {}
    mailbox = _mailbox(lambda delivery: kept.update({delivery.position: delivery}))
    feed = mailbox.attach(_nothing)
    handed: list[int] = []
    for number, step in enumerate(steps):
        if step == "add":
            mailbox.add(_message(str(number)), sender="x", at=number)
        elif step == "hand" and feed:
            mailbox.handed(delivery := feed.popleft())
            handed.append(delivery.position)
        elif step == "settle" and handed:
            mailbox.settle("message", kept[handed[-1]].id, "receipt", number)
        elif step == "reconnect":
            feed = mailbox.attach(_nothing)
            handed = []
        assert handed == sorted(set(handed))
    open_ones = [one.position for one in kept.values() if one.settled is None]
    assert [one.position for one in mailbox.attach(_nothing)] == open_ones
    restored = _mailbox()
    for delivery in kept.values():
        restored.restore(delivery)
    assert restored.counts == mailbox.counts
    assert len(restored) == len(open_ones)
