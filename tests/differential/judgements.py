"""Every class of disagreement that was found, and who is right by the RFC: comparison.py names the classes.

- RIGHT: the RFC demands what we do.
- FREE: the RFC leaves it open; we refuse what could be read in two ways, or what no client needs.
- SAME: no disagreement about the messages, only another way to say it.
"""

from dataclasses import dataclass

RIGHT, FREE, SAME = "ours is right", "the RFC leaves it open", "not about the messages"

LLHTTP = ("httptools", "llhttp")
ALL = ("h11", *LLHTTP)


@dataclass(frozen=True)
class Judgement:
    verdict: str
    section: str
    why: str
    peers: tuple[str, ...] = ALL


J = Judgement

JUDGED: dict[str, Judgement] = {
    # Request line.
    "only we refuse: the request line does not end with a valid target and HTTP version": J(
        RIGHT,
        "RFC 9112 3, 3.2; RFC 3986 3.3",
        "HTTP/0.9, a fragment, bytes beyond ASCII, more spaces than two",
    ),
    "only we refuse: the request line has no target": J(
        RIGHT, "RFC 9112 3", "one space stands before the target, and no fragment is one"
    ),
    "only we refuse: only HTTP/1.0 and HTTP/1.1 are spoken here": J(
        FREE, "RFC 9110 15.6.6", "505 to another major version; one minor version of those, 0.9 and 2.0, is let through"
    ),
    "only they refuse: Invalid HTTP version": J(
        RIGHT, "RFC 9110 2.5", "a later minor version is to be read as the latest that is known", LLHTTP
    ),
    "only we refuse: the target is neither a path nor an http address": J(
        RIGHT, "RFC 9112 3.2", "one of the four forms"
    ),
    "only we refuse: the target has no valid host": J(
        RIGHT, "RFC 9110 4.2.1, 4.2.4", "an empty host, or user information"
    ),
    "only we refuse: the target * is for OPTIONS only": J(RIGHT, "RFC 9112 3.2.4", "the asterisk form"),
    "only we refuse: CONNECT is not implemented": J(RIGHT, "RFC 9110 9.1, 9.3.6", "an origin server: 501"),
    "only they refuse: Invalid method encountered": J(
        RIGHT, "RFC 9110 9.1", "methods are any tokens; what to answer an unknown one is the application's", LLHTTP
    ),
    "only they refuse: Expected space after method": J(
        RIGHT, "RFC 9110 9.1", "a longer token than a known method", LLHTTP
    ),
    "only they refuse: Expected HTTP/2 Connection Preface": J(
        RIGHT, "RFC 9110 9.1", "PRI in HTTP/1.1 is a token", LLHTTP
    ),
    "only they refuse: no request line received": J(
        RIGHT, "RFC 9112 2.2", "an empty line before a request is to be ignored", ("h11",)
    ),
    # Fields.
    "only we refuse: a bare CR or LF, or another control character, in the head": J(
        RIGHT, "RFC 9112 2.2; RFC 9110 5.5", "a bare LF may be taken for a line's end, and is not; others are invalid"
    ),
    "only we refuse: a header line has no valid name": J(
        RIGHT, "RFC 9112 5.1, 5.2", "folded lines are refused, as they may be; no space before the colon", ("h11",)
    ),
    "read otherwise: white space around a value": J(RIGHT, "RFC 9110 5.5", "not part of the value", LLHTTP),
    "only we refuse: no Host": J(RIGHT, "RFC 9112 3.2; RFC 9110 2.5", "400 on HTTP/1.1 and later"),
    "only we refuse: more than one Host": J(RIGHT, "RFC 9112 3.2", "400", LLHTTP),
    "only we refuse: the Host is not valid": J(
        RIGHT, "RFC 9112 3.2, 3.3", "400; an empty one may be refused, since http needs an authority"
    ),
    "read otherwise: Host beside an absolute target": J(
        RIGHT, "RFC 9112 3.2.2", "the field is to be ignored: the target's authority replaces it"
    ),
    "only we refuse: an expectation other than 100-continue": J(FREE, "RFC 9110 10.1.1", "417 may be answered"),
    # Framing.
    "only we refuse: both Content-Length and Transfer-Encoding": J(
        FREE, "RFC 9112 6.1, 6.3", "may be refused, and ought to be handled as an error", ("h11", "llhttp")
    ),
    "only we refuse: more than one Content-Length": J(FREE, "RFC 9110 8.6", "even equal ones may be refused", ("h11",)),
    "only we refuse: the Content-Length is no number": J(
        FREE, "RFC 9110 8.6", "a list of equal numbers may be refused", ("h11",)
    ),
    "only they refuse: Invalid character in Content-Length": J(
        RIGHT, "RFC 9110 5.5, 5.6.3", "a tab behind the number is white space around a value", LLHTTP
    ),
    "only we refuse: a Transfer-Encoding but chunked": J(
        RIGHT, "RFC 9112 6.1, 6.3", "400 or 501, also to an empty one; llhttp passes it on as it came", LLHTTP
    ),
    "only we refuse: more than one Transfer-Encoding": J(
        RIGHT, "RFC 9112 6.1, 7.1", "chunked once and last, nothing else is known", LLHTTP
    ),
    "only we refuse: Transfer-Encoding on HTTP/1.0": J(RIGHT, "RFC 9112 6.1", "the framing is to be taken for faulty"),
    "read otherwise: value of transfer-encoding": J(SAME, "RFC 9112 7", "h11 writes it in lower case", ("h11",)),
    # Chunks.
    "only we refuse: a chunk size is not a hexadecimal number": J(
        RIGHT, "RFC 9112 7.1", "white space before the line's end, which h11 allows", ("h11",)
    ),
    "only we refuse: a chunk size has too many digits": J(RIGHT, "RFC 9112 7.1", "16, as fit a number"),
    "only we refuse: a chunk size line does not end with CR LF": J(RIGHT, "RFC 9112 2.2, 7.1", "a bare CR", ("h11",)),
    "only we refuse: a chunk extension has a control character": J(RIGHT, "RFC 9112 7.1.1; RFC 9110 5.6.4", "NUL, DEL"),
    "only we refuse: a trailer has no valid name": J(RIGHT, "RFC 9112 7.1.2, 5.1", "folded, or a bare LF", ("h11",)),
    "only we refuse: a trailer has a control character": J(RIGHT, "RFC 9112 7.1.2, 2.2", "a bare LF", ("h11",)),
    "only they refuse: Invalid character in chunk size": J(
        RIGHT, "RFC 9112 7.1.1; RFC 9110 5.6.3", "white space before an extension is to be parsed", LLHTTP
    ),
    "only they refuse: illegal chunk header: …": J(
        RIGHT, "RFC 9112 7.1.1; RFC 9110 5.6.3", "a tab as that white space, or an extension without a name", ("h11",)
    ),
    **{
        f"only they refuse: Invalid {part}": J(
            FREE,
            "RFC 9112 7.1.1",
            "they are ignored, so their form is not looked at; they end at the same CR LF",
            LLHTTP,
        )
        for part in (
            *(f"character in chunk extensions{of}" for of in ("", " name", " value", " quoted value", " quote value")),
            "quoted-pair in chunk extensions quoted value",
        )
    },
    "only they refuse: Invalid `Transfer-Encoding` header value": J(
        RIGHT, "RFC 9110 6.5.1", "in a trailer it does not frame anything", LLHTTP
    ),
    "only they refuse: Content-Length can't be present with Transfer-Encoding": J(
        RIGHT, "RFC 9110 6.5.1", "in a trailer it does not frame anything", LLHTTP
    ),
    "only they refuse: Only Transfer-Encoding: chunked is supported": J(
        RIGHT, "RFC 9110 6.5.1", "in a trailer it does not frame anything", ("h11",)
    ),
    # Ends.
    "only we close": J(RIGHT, "RFC 9112 9.3", "`close` counts, whatever a second field says", LLHTTP),
    "only they close": J(
        FREE, "RFC 9112 9.3; RFC 9110 6.5.1", "h11 closes after any HTTP/1.0, llhttp after `Connection` in a trailer"
    ),
}
