from __future__ import annotations

import pytest

from raab.deploy.secrets import dotenv
from raab.errors import RaabError


def test_what_tools_have_in_common_is_read() -> None:
    text = (
        '# of the project\r\n\nA=plain\nexport B = spaced  # why\nC=pa#ss\n  D=\'single $x \\n\'\nE="two\\nlines \\"q\\" \\$x" # c\n'
        'F="over\nlines"\nG=\nH=a=b=c\nA=again\nI=last'
    )
    assert dotenv.parse(text, ".env") == {
        "A": "again", "B": "spaced", "C": "pa#ss", "D": "single $x \\n", "E": 'two\nlines "q" $x', "F": "over\nlines", "G": "",
        "H": "a=b=c", "I": "last",
    }  # fmt: skip


@pytest.mark.parametrize(("text", "line"), [("A=1\ns3cr3t\n", 2), ("A='s3cr3t\n\n", 1), ('A=1\nB="s3cr3t" more\n', 2), ("1A=s3cr3t", 1)])
def test_a_line_that_is_none_is_told_by_its_number_alone(text: str, line: int) -> None:
    with pytest.raises(RaabError) as caught:
        dotenv.parse(text, ".env")
    assert str(caught.value).startswith(f".env:{line}: ") and "s3cr3t" not in str(caught.value)
