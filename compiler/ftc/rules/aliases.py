"""Old codes of rules, with the codes that replaced them; they are still accepted wherever a code is."""

from __future__ import annotations

ALIASES: dict[str, tuple[str, ...]] = {
    "FTC871": ("FTC404",),
    "FTC872": ("FTC404", "FTC465"),
    "FTC873": ("FTC405",),
    "FTC874": (
        *("FTC305", "FTC420", "FTC421", "FTC422", "FTC423", "FTC425", "FTC430", "FTC437", "FTC441", "FTC443"),
        *("FTC444", "FTC458", "FTC459", "FTC460", "FTC468", "FTC901"),
    ),
    "FTC876": ("FTC207",),
    "FTC879": ("FTC406", "FTC450"),
}
