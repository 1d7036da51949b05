"""Where two verdicts about the same bytes part, as a class of disagreement."""

import re
from dataclasses import dataclass, field


@dataclass
class Message:
    start: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""
    over: bool = False


@dataclass
class Verdict:
    messages: list[Message]
    end: str
    reason: str = ""

    @property
    def whole(self) -> int:
        """Messages read to their end."""
        return sum(message.over for message in self.messages)

    @staticmethod
    def of(text: str) -> "Verdict":
        messages: list[Message] = []
        lines = text.split("\n")[:-1]
        for line in lines[:-1]:
            if line.startswith("message "):
                messages.append(Message(line))
            elif line == "over":
                messages[-1].over = True
            elif line.startswith("body "):
                messages[-1].body = line
            else:
                name, _, value = line.partition(": ")
                messages[-1].fields.append((name, value))
        end, _, reason = lines[-1].partition(" ")
        return Verdict(messages, end, reason)


def disagreement(ours: str, theirs: str) -> str:
    """The class; empty when both mean the same. A refusal is one whatever its reason."""
    if ours == theirs:
        return ""
    a, b = Verdict.of(ours), Verdict.of(theirs)
    if b.end == "upgrade" and 0 < len(b.messages) <= len(a.messages):
        b.messages[-1].body = a.messages[len(b.messages) - 1].body
    for mine, other in zip(a.messages, b.messages, strict=False):
        if part := _difference(mine, other):
            return f"read otherwise: {part}"
    if b.end == "upgrade" and len(a.messages) >= len(b.messages):
        return ""  # what follows, the body too, is in the new protocol
    if (a.end, a.whole) == (b.end, b.whole):
        return ""
    if b.end == "closed" and a.whole >= b.whole:
        return "only they close"
    if a.end == "closed" and b.whole >= a.whole:
        return "only we close"
    if a.end == "refused" and (b.end != "refused" or b.whole > a.whole):
        return f"only we refuse: {a.reason}"
    if b.end == "refused":
        return f"only they refuse: {normalized(b.reason)}"
    return f"ends otherwise: {a.end}, theirs {b.end}"


def _difference(mine: Message, other: Message) -> str:
    if mine.start != other.start:
        return "request line"
    if mine.fields != other.fields:
        return _difference_of_fields(mine, other)
    if mine.over and other.over and mine.body != other.body:
        return "body"
    return ""


def _difference_of_fields(mine: Message, other: Message) -> str:
    if [name for name, _ in mine.fields] != [name for name, _ in other.fields]:
        return "names of fields"
    differing = {
        n for (n, a), (_, b) in zip(mine.fields, other.fields, strict=True) if a.strip("\t ") != b.strip("\t ")
    }
    if not differing:
        return "white space around a value"
    if differing == {"host"} and "://" in mine.start:
        return "Host beside an absolute target"
    return f"value of {', '.join(sorted(differing & SHAPING)) or 'a field'}"


SHAPING = {"content-length", "transfer-encoding", "connection", "host", "expect", "upgrade"}


def normalized(reason: str) -> str:
    """Without what differs from input to input."""
    return re.sub(r"(bytearray\()?b?(['\"]).*\2\)?", "…", reason)


def needs_more(kind: str, ours: str, theirs: str) -> bool:
    """Whether one of them may only be waiting for the rest of a line that the other has judged already."""
    return bool(kind) and ("\ncut\n" in f"\n{ours}" or "\ncut\n" in f"\n{theirs}")
