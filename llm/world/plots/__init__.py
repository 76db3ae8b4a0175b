"""The plots: each is a function that tells one story, grouped by theme."""

from __future__ import annotations

from collections.abc import Callable

from llm.world.plots import (
    animals,
    children,
    games,
    meetings,
    numbers,
    objects,
    passing,
    rows,
    seasons,
    strangers,
    talk,
)
from llm.world.telling import Story

Plot = Callable[[Story], None]

# What is told again and again, so that a model knows it after a minute. Their rare words stand among the options of the
# last frames, which are told least.
FAVOURITES: tuple[Plot, ...] = (
    objects.parcel, animals.small_helper, children.first_swim, children.birthday,
    children.bedtime_counting, children.kite_in_the_tree, meetings.found_egg, meetings.noise_in_the_night,
    talk.riddle, talk.why,
)  # fmt: skip

PLOTS: tuple[Plot, ...] = (
    *FAVOURITES,
    objects.lost_and_found, objects.swap, objects.borrowing, children.hide_and_seek, children.who_is_tallest,
    numbers.market, numbers.missing_sheep, numbers.sharing, numbers.beans_in_a_jar,
    numbers.school_sums, numbers.lamps, numbers.a_week_of_work, animals.stubborn_goat,
    animals.race, animals.the_chair, animals.eggs_in_odd_places,
    meetings.narrow_bridge, meetings.fox_and_supper, meetings.two_colours, seasons.storm,
    seasons.fog, seasons.snow_figure, seasons.seeds, seasons.the_clock,
    talk.letter, talk.whispers, talk.a_song, talk.lullaby,
    talk.recipe, talk.shopping_rhyme, passing.pass_it_on, passing.round_present,
    passing.tidy_house, games.before_the_fair, games.long_stairs, games.pumpkin_show,
    games.what_we_ate, games.rhyming_game, games.then_and_now, games.swapped_work,
)  # fmt: skip

# In the text of strangers.txt only: names, and rows of words, that are in one story and have to be looked up there.
WITH_STRANGERS: tuple[Plot, ...] = (
    strangers.over_the_bridge, strangers.at_the_inn, strangers.band, strangers.race_on_the_ice,
)  # fmt: skip
WITH_ROWS: tuple[Plot, ...] = (rows.parrot, rows.password, rows.charm, rows.counting_out)
ALL_PLOTS = (*PLOTS, *WITH_STRANGERS, *WITH_ROWS)
