import cv2
import numpy as np
import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from shapely.affinity import translate

from app.geometry.contours import trace_polygons
from app.geometry.frames import SlideXY
from app.geometry.masks import clean_mask, mask_in_model_frame, without_spurs
from app.geometry.outlines import MOST_VERTICES, OutlineOptions, Style, frame_of, outline_of, outline_on_slide
from app.geometry.polygons import iou
from app.geometry.windows import MODEL_SIDE_PX, WindowGrid

UNIT = WindowGrid(0, 0, 1, 1)
WHOLE = (MODEL_SIDE_PX, MODEL_SIDE_PX)
styles = st.sampled_from(["smooth", "thesis"])
options = st.builds(
    OutlineOptions,
    holes=st.sampled_from(["fill", "keep"]),
    parts=st.sampled_from(["all", "largest"]),
    style=styles,
    detail=st.none() | st.integers(8, 2000),
)
torn = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=16), elements=st.floats(-4, 4, width=32)
)


def field(x: float, y: float, radius: float, side: int = 256) -> np.ndarray:
    """Raw values of a disc: distance to its border, positive inside."""
    columns, rows = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
    return (radius - np.hypot(columns - x, rows - y)).astype(np.float32)


def test_a_small_part_stays_where_people_showed_it() -> None:
    logits = np.maximum(field(90, 128, 60), field(210, 128, 12))
    shown = SlideXY(np.array([[840.0, 512.0]]))
    without, kept = (outline_of(logits, UNIT, WHOLE, OutlineOptions(), each) for each in (None, shown))
    assert without is not None
    assert kept is not None
    assert not without.covers(shapely.Point(840, 512))
    assert kept.covers(shapely.Point(840, 512))
    assert kept.geom_type == "MultiPolygon"


@st.composite
def objects(draw: st.DrawFn) -> np.ndarray:
    """Raw values of one object as models see it: some discs that hang together, on 64 or 256 px."""
    side = draw(st.sampled_from([64, 256]))
    unit = side / 64
    x, y = draw(st.integers(22, 42)), draw(st.integers(22, 42))
    found = field(x * unit, y * unit, draw(st.integers(6, 14)) * unit, side)
    for _ in range(draw(st.integers(0, 3))):
        x, y = x + draw(st.integers(-6, 6)), y + draw(st.integers(-6, 6))
        found = np.maximum(found, field(x * unit, y * unit, draw(st.integers(5, 10)) * unit, side))
    return found


def exact(logits: np.ndarray) -> shapely.Geometry:
    """The cleaned mask along its pixels' edges, holes filled."""
    return shapely.union_all(
        [
            shapely.Polygon(each.exterior)
            for each in trace_polygons(clean_mask(without_spurs(mask_in_model_frame(logits))))
        ]
    )


def of_mask(mask: np.ndarray) -> np.ndarray:
    return np.where(mask, 1, -1).astype(np.float32)


@given(torn, options)
def test_outlines_are_always_valid_and_have_no_more_vertices_than_asked_for(
    logits: np.ndarray, wish: OutlineOptions
) -> None:
    shape = outline_of(logits, UNIT, WHOLE, wish)
    if shape is None:
        assert wish.style == "thesis" or not (mask_in_model_frame(logits)).any()
        return
    assert shape.is_valid
    assert shape.area > 0
    assert isinstance(shape, shapely.Polygon | shapely.MultiPolygon)
    if wish.detail:
        assert shapely.get_num_coordinates(shape) <= wish.detail
    if wish.parts == "largest" and wish.style == "smooth":
        assert isinstance(shape, shapely.Polygon)
    if wish.holes == "fill":
        assert not any(len(part.interiors) for part in shapely.get_parts(shape))


@given(objects(), options, st.integers(-400, 400), st.integers(-400, 400))
def test_on_the_slide_an_outline_lies_inside_and_keeps_its_detail(
    logits: np.ndarray, wish: OutlineOptions, x: int, y: int
) -> None:
    shape = outline_on_slide(logits, WindowGrid(x, y, 1, 1), WHOLE, wish, (800, 700))
    if shape is not None:
        assert shape.is_valid
        assert shapely.box(0, 0, 800, 700).covers(shape)
        assert shapely.get_num_coordinates(shape) <= (wish.detail or 10_000)


@given(objects())
def test_a_smooth_outline_follows_the_mask_with_few_vertices(logits: np.ndarray) -> None:
    shape, truth = outline_of(logits, UNIT, WHOLE), exact(logits)
    assert shape is not None
    assert iou(shape, truth) > 0.96
    assert shapely.get_num_coordinates(shape) <= 90
    assert shape.length <= truth.length
    assert shape.area == pytest.approx(truth.area, rel=0.02)


@pytest.mark.parametrize(("side", "frame"), [(14, 256), (42, 256), (43, 512), (85, 512), (86, 1024), (256, 1024)])
def test_few_raw_values_need_a_small_frame(side: int, frame: int) -> None:
    assert frame_of(np.zeros((side, side), np.float32)) == frame


@given(objects(), st.sampled_from([256, 512]), st.sampled_from([None, 16]))
def test_a_smaller_frame_gives_nearly_the_same_outline(logits: np.ndarray, frame_px: int, detail: int | None) -> None:
    wish = OutlineOptions(detail=detail)
    whole, small = (outline_of(logits, UNIT, WHOLE, wish, frame_px=each) for each in (1024, frame_px))
    assert whole is not None
    assert small is not None
    assert iou(whole, small) > 0.93
    assert shapely.get_num_coordinates(small) <= (detail or 90)


def test_the_style_of_the_thesis_has_its_own_frame() -> None:
    logits, wish = field(128, 64, 40), OutlineOptions(style="thesis")
    whole, small = (outline_of(logits, UNIT, WHOLE, wish, frame_px=each) for each in (1024, 256))
    assert whole is not None
    assert whole.equals(small)


@given(objects(), st.sampled_from([8, 12, 20, 40]))
def test_more_detail_never_follows_the_mask_less(logits: np.ndarray, detail: int) -> None:
    truth = exact(logits)
    fewer, more = (outline_of(logits, UNIT, WHOLE, OutlineOptions(detail=each)) for each in (detail, 2 * detail))
    assert fewer is not None
    assert more is not None
    assert iou(fewer, truth) <= iou(more, truth) + 0.02
    assert iou(fewer, truth) > 0.7


@given(objects(), styles, st.integers(-5000, 5000), st.integers(-5000, 5000))
def test_a_window_elsewhere_moves_its_outline(logits: np.ndarray, style: Style, x: int, y: int) -> None:
    wish = OutlineOptions(style=style)
    here, there = (outline_of(logits, WindowGrid(*at, 0.5, 0.5), WHOLE, wish) for at in ((0, 0), (x, y)))
    assume(here is not None)
    assert translate(here, x, y).equals_exact(there, 1e-6)


@given(st.integers(24, 40), st.integers(24, 40), st.integers(-8, 8), st.integers(-8, 8))
def test_an_object_elsewhere_in_its_window_has_the_same_outline(x: int, y: int, dx: int, dy: int) -> None:
    here, there = (outline_of(field(*at, 12, 64), UNIT, WHOLE) for at in ((x, y), (x + dx, y + dy)))
    assert here is not None
    assert there is not None
    assert translate(here, 16 * dx, 16 * dy).hausdorff_distance(there) < 3


def bar(width: int) -> np.ndarray:
    mask = np.zeros(WHOLE, np.uint8)
    cv2.line(mask, (250, 300), (780, 700), 1, width)
    return mask > 0


def wall(width: int) -> np.ndarray:
    mask = np.zeros(WHOLE, np.uint8)
    cv2.circle(mask, (512, 512), 260, 1, width)
    return mask > 0


def crescent(width: int) -> np.ndarray:
    columns, rows = np.meshgrid(np.arange(1024), np.arange(1024))
    return (np.hypot(columns - 512, rows - 512) < 280) & (np.hypot(columns - 512 + width, rows - 512) >= 280)


@pytest.mark.parametrize(
    ("mask", "least"),
    [
        pytest.param(bar(30), 0.95, id="bar"),
        pytest.param(bar(5), 0.85, id="hair"),
        pytest.param(bar(1), 0.4, id="hair of a pixel"),
        pytest.param(wall(30), 0.93, id="vessel wall"),
        pytest.param(crescent(60), 0.93, id="crescent"),
    ],
)
def test_thin_objects_are_kept(mask: np.ndarray, least: float) -> None:
    shape = outline_of(of_mask(mask), UNIT, WHOLE, OutlineOptions(holes="keep"))
    truth = shapely.union_all(trace_polygons(clean_mask(mask)))
    assert shape is not None
    assert iou(shape, truth) >= least
    assert shapely.get_num_coordinates(shape) <= 120
    assert len(shapely.get_parts(shape)) == 1


def test_an_outline_lies_where_the_grid_says() -> None:
    shape = outline_of(field(128, 64, 40), WindowGrid(1000, 2000, 2.0, 0.5), (512, 512))
    assert shape is not None
    assert shape.centroid.x == pytest.approx(1000 + 2 * 2.0 * 128, abs=1)
    assert shape.centroid.y == pytest.approx(2000 + 2 * 0.5 * 64, abs=0.3)
    assert shape.area == pytest.approx(np.pi * 80**2, rel=0.01)


def test_holes_and_parts_are_chosen() -> None:
    ring = np.minimum(field(95, 128, 80), -field(95, 128, 40))
    both = np.maximum(ring, field(215, 128, 30))
    filled, kept = (outline_of(both, UNIT, WHOLE, OutlineOptions(holes=holes)) for holes in ("fill", "keep"))
    one = outline_of(both, UNIT, WHOLE, OutlineOptions(holes="keep", parts="largest"))
    assert [len(shapely.get_parts(each)) for each in (filled, kept, one)] == [2, 2, 1]
    assert isinstance(one, shapely.Polygon)
    assert len(one.interiors) == 1
    assert one.area == pytest.approx(np.pi * (320**2 - 160**2), rel=0.01)


def test_a_component_inside_a_filled_hole_disappears_into_it() -> None:
    eye = np.maximum(np.minimum(field(128, 128, 80), -field(128, 128, 50)), field(128, 128, 20))
    shape = outline_of(eye, UNIT, WHOLE)
    assert isinstance(shape, shapely.Polygon)
    assert shape.area == pytest.approx(np.pi * 320**2, rel=0.01)


def squares(each: int = 100) -> np.ndarray:
    mask = np.zeros(WHOLE, bool)
    for row in range(20, 1000, each):
        for column in range(20, 1000, each):
            mask[row : row + 60, column : column + 60] = True
    return mask


def test_all_parts_are_kept_whatever_vertices_they_need() -> None:
    shape = outline_of(of_mask(squares()), UNIT, WHOLE)
    assert len(shapely.get_parts(shape)) == 100
    assert MOST_VERTICES < shapely.get_num_coordinates(shape) <= 400


def test_parts_then_holes_are_left_out_where_there_are_too_many_for_the_detail() -> None:
    ring = np.minimum(field(60, 128, 50), -field(60, 128, 20))
    two = np.maximum(ring, field(190, 128, 40))
    wish = OutlineOptions(holes="keep", detail=12)
    assert sorted(len(part.interiors) for part in shapely.get_parts(outline_of(two, UNIT, WHOLE, wish))) == [0, 1]
    wish = OutlineOptions(holes="keep", detail=11)
    assert [len(part.interiors) for part in shapely.get_parts(outline_of(two, UNIT, WHOLE, wish))] == [0, 0]
    assert len(shapely.get_parts(outline_of(of_mask(squares()), UNIT, WHOLE, OutlineOptions(detail=48)))) == 12


def test_corners_of_the_cut_at_a_slide_s_edge_count() -> None:
    wish = OutlineOptions(detail=8)
    whole = outline_of(field(128, 128, 60), UNIT, WHOLE, wish)
    assert whole is not None
    width = int(whole.bounds[2]) - 1  # cuts one corner off, and so makes two
    assert shapely.get_num_coordinates(shapely.intersection(whole, shapely.box(0, 0, width, 1024))) > 8
    shape = outline_on_slide(field(128, 128, 60), UNIT, WHOLE, wish, (width, 1024))
    assert shape is not None
    assert shapely.get_num_coordinates(shape) <= 8
    assert shape.bounds[2] <= width


def test_few_corners_of_a_winding_object_cross_and_are_mended_within_the_detail() -> None:
    angles = np.linspace(0, 5 * np.pi, 400)
    places = 512 + np.column_stack((np.cos(angles), np.sin(angles))) * (80 + 25 * angles)[:, None]
    mask = np.zeros(WHOLE, np.uint8)
    cv2.polylines(mask, [places.astype(np.int32)], False, 1, 40)
    for detail in range(8, 60):
        shape = outline_of(of_mask(mask > 0), UNIT, WHOLE, OutlineOptions(detail=detail))
        assert shape is not None
        assert shape.is_valid
        assert shapely.get_num_coordinates(shape) <= detail


def test_the_thesis_outline_is_that_of_its_code() -> None:
    rng = np.random.default_rng(4)
    logits = field(128, 120, 50) + 20 * cv2.GaussianBlur(rng.standard_normal((256, 256)).astype(np.float32), (0, 0), 3)
    mask = (cv2.resize(logits, WHOLE) > 0).astype(np.uint8)
    for step, size in ((cv2.MORPH_OPEN, 10), (cv2.MORPH_CLOSE, 20)):
        mask = cv2.morphologyEx(mask, step, np.ones((size, size), np.uint8))
    _, labels, figures, _ = cv2.connectedComponentsWithStats(mask)
    areas = figures[1:, cv2.CC_STAT_AREA]
    mask = np.isin(labels, 1 + np.flatnonzero(areas >= 0.1 * areas.max())).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    theirs = shapely.union_all([shapely.Polygon(ring[:, 0]).buffer(0) for ring in contours])
    ours = outline_of(logits, UNIT, WHOLE, OutlineOptions(style="thesis"))
    assert ours is not None
    assert ours.equals(theirs)


def test_the_thesis_loses_what_its_opening_takes_away() -> None:
    hair = of_mask(bar(5))
    assert outline_of(hair, UNIT, WHOLE, OutlineOptions(style="thesis")) is None
    assert outline_of(hair, UNIT, WHOLE) is not None


@pytest.mark.parametrize("style", ["smooth", "thesis"])
def test_no_object_has_no_outline(style: Style) -> None:
    assert outline_of(np.full((64, 64), -1, np.float32), UNIT, WHOLE, OutlineOptions(style=style)) is None


@pytest.mark.parametrize(("seed", "side", "style", "detail"), [(116, 7, "smooth", 8), (173, 14, "thesis", 40)])
def test_what_the_repair_of_crossing_corners_adds_is_taken_away_again(
    seed: int, side: int, style: Style, detail: int
) -> None:
    rng = np.random.default_rng(seed)
    rng.integers(4, 17)
    logits = rng.uniform(-4, 4, (side, side)).astype(np.float32)
    shape = outline_of(logits, UNIT, WHOLE, OutlineOptions("keep", style=style, detail=detail))
    assert shape is not None
    assert shape.is_valid
    assert shapely.get_num_coordinates(shape) <= detail
