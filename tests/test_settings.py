import pytest

from app.errors import InvalidSettings
from app.settings import Settings, as_stock_deployment, check_serving, read_settings

KEYS = {"REFINE_PLATFORM__PUBLIC_KEY": "abc", "REFINE_PLATFORM__PRIVATE_KEY": "def"}
SECRET = {"REFINE_API__SHARED_SECRET": "sixteen characters"}


def read(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return read_settings(environment)


def test_defaults_fit_cytomines_own_network(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch)
    assert settings.base_path == "/sam"
    assert settings.api.port == 6000
    assert settings.platform.pims_base_url == "http://nginx/ims"


def test_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(
        monkeypatch,
        API_BASE_PATH="refine/",
        REFINE_PLATFORM__HOST="https://cytomine.example/",
        REFINE_PLATFORM__PIMS_URL="http://pims:5000/ims/",
        REFINE_SEGMENTER__DEVICE="cuda:1",
        REFINE_WEIGHTS__FOLDER="/data/weights",
    )
    assert settings.base_path == "/refine"
    assert settings.platform.host == "https://cytomine.example"
    assert settings.platform.pims_base_url == "http://pims:5000/ims"
    assert settings.segmenter.device == "cuda:1"
    assert read(monkeypatch, API_BASE_PATH="/").base_path == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REFINE_PLATFORM__HOST", "nginx"),
        ("REFINE_API__PORT", "70000"),
        ("REFINE_SEGMENTER__DEVICE", "tpu"),
        ("REFINE_SEGMENTER__CONCURRENCY", "-1"),
        ("REFINE_SEGMENTER__SHA256", "abc"),
        ("REFINE_REFINE__MAX_POINTS", "many"),
    ],
)
def test_values_out_of_range_are_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=name):
        read(monkeypatch, **{name: value})


def test_misspelt_names_stop_the_start() -> None:
    with pytest.raises(InvalidSettings, match="REFINE_API__SHARED_SECERT") as caught:
        read_settings({"REFINE_API__SHARED_SECERT": "x", "PATH": "/bin"})
    assert caught.value.facts["unknown"] == ["REFINE_API__SHARED_SECERT"]


@pytest.mark.parametrize(
    "environment",
    [
        {**KEYS, "REFINE_API__BEARER": "false"},
        {**KEYS, "REFINE_API__SHARED_SECRET": "short"},
        {**SECRET},
        {**SECRET, **KEYS, "REFINE_PLATFORM__PRIVATE_KEY": "changeme"},
    ],
)
def test_missing_or_placeholder_secrets_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    with pytest.raises(InvalidSettings):
        check_serving(read(monkeypatch, **environment))


@pytest.mark.parametrize("way", [{}, {"REFINE_API__BEARER": "false", "REFINE_API__OPEN_CROPS": "true"}])
def test_without_a_secret_no_account_is_needed(monkeypatch: pytest.MonkeyPatch, way: dict[str, str]) -> None:
    check_serving(read(monkeypatch, **way))


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, **SECRET, **KEYS)
    check_serving(settings)
    assert "sixteen" not in repr(settings)
    assert "def" not in repr(settings.platform)


def test_a_collectors_address_is_a_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch).traces.endpoint is None
    assert (
        read(monkeypatch, REFINE_TRACES__ENDPOINT="http://collector:4318/").traces.endpoint == "http://collector:4318"
    )
    with pytest.raises(InvalidSettings, match="REFINE_TRACES__ENDPOINT"):
        read(monkeypatch, REFINE_TRACES__ENDPOINT="collector:4318")


def test_a_stock_deployment_of_2026_sets_no_name_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    stock = as_stock_deployment(read(monkeypatch))
    assert (stock.platform.host, stock.platform.pims_url) == ("http://core:8080", "http://pims:5000/ims")
    assert stock.api.open_crops


def test_what_is_set_stays_in_a_stock_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"REFINE_PLATFORM__HOST": "http://cytomine.example", "REFINE_API__OPEN_CROPS": "false"}
    settings = read(monkeypatch, **given)
    assert as_stock_deployment(settings) == settings
