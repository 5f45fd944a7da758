"""The envelope of every answer: HTTP 200 with ActionStatus, ErrorInfo and ErrorCode (rest-api sheet, section 1)."""

from __future__ import annotations

import msgspec

from homing.model.problems import Problem, Refused

_encode = msgspec.json.Encoder().encode


class Answer(msgspec.Struct):
    """The envelope; the commands' answers add their fields."""

    ActionStatus: str = "OK"
    ErrorInfo: str = ""
    ErrorCode: int = 0


OK = _encode(Answer())


def encode(answer: Answer) -> bytes:
    """The bytes of an answer."""
    return _encode(answer)


def sentence_of(problem: Problem, detail: str = "", cure: str = "") -> str:
    """What is wrong and what to do, in one line."""
    what = f"{problem.sentence}: {detail}" if detail else problem.sentence
    return f"{what}. {cure or problem.cure}"


def refusal(error: Refused) -> bytes:
    """The answer to a request that was refused."""
    return _encode(Answer("FAIL", sentence_of(error.problem, error.detail, error.cure), error.problem.rest_code))


def failure(problem: Problem, detail: str) -> bytes:
    """The answer when it is not the caller's fault."""
    return _encode(Answer("FAIL", sentence_of(problem, detail), problem.rest_code))
