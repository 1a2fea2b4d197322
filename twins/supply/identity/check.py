"""Check characters: ISO 7064 mod 37-2 as ISBT 128 uses it, and GS1's mod 10. A misread identifier shows here first.

The table of the standards is not shipped; whether an identifier was ever issued is not known here.
"""

from __future__ import annotations

import re

from schemas.errors import InvalidFieldError

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*"  # ISO 7064, mod 37-2: values 0 to 36
_FLAG = 60  # ISBT 128 ST-001: flag characters of type 3 are the check character's value and 60
_VALUE = {letter: value for value, letter in enumerate(ALPHABET)}
# Facility (a letter or digit, then four; O and 0 begin none), year of the collection, serial number.
_DIN = re.compile(r"[A-NP-Z1-9][0-9A-Z][0-9]{3}[0-9]{2}[0-9]{6}")


def mod37_value(text: str, where: str = "identifier") -> int:
    """Give the value of the check character of a text of digits and capital letters.

    Raises
    ------
    InvalidFieldError
        If another character is in it.

    Source
    ------
    ISO/IEC 7064, mod 37-2: the sum of value times 2^n, n counted from the right from 1, with the check's own value, is
    1 modulo 37.

    Examples
    --------
    >>> mod37_value("G123498654321")
    17
    """
    check = 0
    for letter in text:
        value = _VALUE.get(letter, 36)
        if value == 36:  # the asterisk is a check character alone
            raise _wrong("digits and capital letters", repr(text), where, f"read it again: {letter!r} is neither")
        check = (check + value) * 2 % 37
    return (38 - check) % 37


def mod37_character(text: str, where: str = "identifier") -> str:
    """Give the keyboard entry check character K.

    Examples
    --------
    >>> mod37_character("G123498654321")
    'H'
    """
    return ALPHABET[mod37_value(text, where)]


def din_flag(din: str) -> str:
    """Give the two flag characters of a donation identification number that carry its check.

    Examples
    --------
    >>> din_flag("G123498654321")
    '77'
    """
    return f"{mod37_value(check_din(din)) + _FLAG}"


def check_din(din: str, where: str = "donation identification number") -> str:
    """Give the 13 characters back if they have the shape of a donation identification number.

    Raises
    ------
    InvalidFieldError
        If not.

    Source
    ------
    ISBT 128 ST-001: facility (5), year (2), serial number (6).
    """
    if _DIN.fullmatch(din) is None:
        raise _wrong(
            "13 characters: facility (5), year (2 digits), serial number (6 digits)", repr(din)[:60], where,
            "read it again; spaces and the flag are no part of it",
        )  # fmt: skip
    return din


def read_din(text: str, where: str = "donation identification number") -> str:
    """Read a number as scanned ('=' and 13 characters, 2 flags) or as typed (13 characters and K), and check it.

    Flags below 60 carry no check, and are taken as they are. Spaces between groups, as printed, are dropped.

    Returns
    -------
    str
        The 13 characters.

    Raises
    ------
    InvalidFieldError
        If shape or check character are wrong.

    Examples
    --------
    >>> read_din("=G12349865432177"), read_din("G1234 98 654321 H")
    ('G123498654321', 'G123498654321')
    """
    body = text.strip()
    if body.startswith("="):
        din, flag = check_din(body[1:14], where), body[14:]
        if not re.fullmatch(r"[0-9A-Z]{2}", flag):
            raise _wrong("two flag characters after the number", repr(flag), where, "scan it again")
        if flag.isdigit() and _FLAG <= int(flag) <= _FLAG + 36 and flag != din_flag(din):
            raise _wrong(f"flag {din_flag(din)} for {din}", flag, where, "scan it again: it was misread")
        return din
    body = body.replace(" ", "")
    if len(body) != 14:
        raise _wrong("13 characters and the check character", repr(text)[:60], where, "type the boxed one too")
    din = check_din(body[:13], where)
    if body[13] != mod37_character(din):
        raise _wrong(
            f"check character {mod37_character(din)} for {din}", body[13], where, "type it again: one is wrong"
        )  # fmt: skip
    return din


def check_coi(text: str, where: str = "chain of identity identifier") -> str:
    """Give a chain of identity identifier back if it can be one: printable, no spaces within, 1 to 64 characters.

    Notes
    -----
    ISBT 128 ST-028 has it as data structure 040: the same on all donations of one therapy event. Its layout is not
    public, and makers of therapies have layouts of their own; so nothing else is asked of it here. It is compared
    character by character, never in parts.
    """
    if not 1 <= len(text) <= 64 or not text.isprintable() or not text.isascii() or " " in text:
        raise _wrong("1 to 64 printable characters without spaces", repr(text)[:80], where, "read it again")
    return text


def mod10_digit(payload: str, where: str = "key") -> str:
    """Give GS1's check digit of digits.

    Source
    ------
    GS1 General Specifications, 7.9.1: weights 3, 1, 3, ... from the right.

    Examples
    --------
    >>> mod10_digit("04012345000000111")
    '2'
    """
    if not (payload.isascii() and payload.isdigit()):
        raise _wrong("digits", repr(payload)[:60], where, "read it again")
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(payload)))
    return str(-total % 10)


def check_mod10(key: str, where: str = "key") -> str:
    """Give a key back if its last digit is right.

    Raises
    ------
    InvalidFieldError
        If not.
    """
    digit = mod10_digit(key[:-1], where)
    if key[-1:] != digit:
        raise _wrong(f"check digit {digit} for {key[:-1]}", repr(key[-1:]), where, "read it again: it was misread")
    return key


def _wrong(expected: str, received: str, where: str, advice: str) -> InvalidFieldError:
    return InvalidFieldError(expected=expected, received=received, where=where, advice=advice)
