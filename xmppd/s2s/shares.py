"""What waits for other servers, all of them together, and whose it is."""

from collections import Counter


class Shares:
    """Bytes of stanzas. One sender may have a quarter of them: whoever writes to a thousand
    servers that do not answer must neither fill the memory nor leave no room to others.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.total = 0
        self._of: Counter[str] = Counter()

    def has_room(self, sender: str) -> bool:
        return self.total < self.most and self._of[sender] < self.most // 4

    def add(self, sender: str, size: int) -> None:
        self.total += size
        self._of[sender] += size

    def remove(self, sender: str, size: int) -> None:
        self.total -= size
        self._of[sender] -= size
        if self._of[sender] <= 0:
            del self._of[sender]
