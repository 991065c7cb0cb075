"""Notes with every kind of block, for tests of how they look."""

from __future__ import annotations

NOTES = f"""
Introduction with a [link](https://e.x/), `code` and a long word {"8909e96a" * 12}.

![The plan](plan.png)

## Added

### The `import defer` syntax

```python
def first(argument: str = "{"x" * 60}") -> int:  # a comment
    return 1
```

```diff
-old
+new
```

> [!NOTE]
> A [link](https://e.x/) and `code`.

> [!WARNING]
> Mind.

## Security

| version | operating system | released | supported until |
| --- | --- | --- | ---: |
| 2.4.0-rc.1 | Debian-GNU/Linux | November 2026 | {"8909e96a" * 16} |

| a | b | c | d | e | f | g | h |
|--|--|--|--|--|--|--|--|
| 1 | two | three | four | five | six | seven | incompatibilities |

[Read the guide](https://e.x/guide){{.button}}
"""
