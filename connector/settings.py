"""The settings: from the environment and from `.env.supabase` in the working folder, where the environment wins.

Names are the environment's, in lower case. An empty value counts as unset. Keys of other programs in the file are ignored.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from connector import values
from connector.failures import ExitCode, StartFailure

ENV_FILE = ".env.supabase"
SHORT_KEY = 16
"""An API key under this many characters is taken, with a warning."""
_STRANGERS = frozenset({"SUPABASE_KEY"})
"""Keys that other programs of the same file use, however much they look like ours."""
LAB_NAMES = ("WHATSAPP_LAB_PROXY", "WHATSAPP_LAB_CA", "WHATSAPP_LAB_ROOT_KEY")


def _setting(default: object, says: str, *, pt: str, must: str, example: str, **limits: Any) -> Any:
    """Describe one setting: what it *says* in English and Portuguese, what a value *must* be, and an *example*."""
    return Field(default, description=says, json_schema_extra={"pt": pt, "must": must, "example": example}, **limits)


class Settings(BaseSettings):
    """Every setting of the service. Secrets are `SecretStr`: they print as stars."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding="utf-8-sig",  # Windows' editors begin a file with a mark
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    host: Annotated[str, AfterValidator(values.host)] = _setting(
        "127.0.0.1",
        "The address to listen on. 0.0.0.0 lets other machines in: put a reverse proxy with TLS in front.",
        pt="Endereço em que o serviço escuta. Com 0.0.0.0 outras máquinas entram: use um proxy reverso com TLS.",
        must="an IP address or a host name",
        example="127.0.0.1",
    )
    port: int = _setting(
        3001,
        "The TCP port to listen on.",
        pt="Porta TCP em que o serviço escuta.",
        must="a whole number from 1 to 65535",
        example="3001",
        ge=1,
        le=65535,
    )
    data_dir: Annotated[Path, AfterValidator(values.folder)] = _setting(
        Path("data"),
        "The folder for everything that is kept: sessions, queues, logs, the API key. It is made readable for its owner only.",
        pt="Pasta de tudo o que é guardado: sessões, filas, logs e a chave da API. Só o dono pode ler.",
        must="the path of a folder",
        example="./data",
        validate_default=True,
    )
    api_key: Annotated[SecretStr, AfterValidator(values.header_value)] | None = _setting(
        None,
        "The key that callers send as X-API-KEY. When unset, one is made at the first start and kept in DATA_DIR/api-key.",
        pt="Chave que os clientes enviam em X-API-KEY. Sem ela, uma é criada na primeira vez, em DATA_DIR/api-key.",
        must="one word of visible ASCII characters, best 32 or more",
        example="a-long-random-word",
    )
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(values.upper)] = _setting(
        "INFO",
        "How much is logged: DEBUG, INFO, WARNING or ERROR.",
        pt="Quanto vai para o log: DEBUG, INFO, WARNING ou ERROR.",
        must="DEBUG, INFO, WARNING or ERROR",
        example="INFO",
    )
    log_format: Annotated[Literal["text", "json"], BeforeValidator(values.lower)] = _setting(
        "text",
        "How lines are written, to the files and the console: text for people, json for programs that collect them.",
        pt="Como as linhas são escritas, nos arquivos e no console: text para pessoas, json para programas que as coletam.",
        must="text or json",
        example="text",
    )
    log_dir: Annotated[Path, AfterValidator(values.folder)] | None = _setting(
        None,
        "The folder of combined.log, error.log and server.log. When unset, it is DATA_DIR/logs.",
        pt="Pasta de combined.log, error.log e server.log. Sem ela, DATA_DIR/logs.",
        must="the path of a folder",
        example="/var/log/vigia",
    )
    log_file_mb: int = _setting(
        10,
        "The size in MB at which a log file is put aside, compressed.",
        pt="Tamanho em MB em que um arquivo de log é posto de lado, comprimido.",
        must="a whole number from 1 to 1000",
        example="10",
        ge=1,
        le=1000,
    )
    log_files_kept: int = _setting(
        5,
        "How many files put aside are kept of each log; the oldest is removed.",
        pt="Quantos arquivos postos de lado guardar de cada log; o mais antigo é removido.",
        must="a whole number from 1 to 1000",
        example="5",
        ge=1,
        le=1000,
    )
    auto_initialize: bool = _setting(
        True,
        "Whether sessions start with the service. If not, it only answers HTTP until POST /api/whatsapp-bootstrap/initialize.",
        pt="Se as sessões começam com o serviço. Se não, ele só responde HTTP até POST /api/whatsapp-bootstrap/initialize.",
        must="true or false",
        example="true",
    )
    sessions_per_worker: int = _setting(
        25,
        "How many sessions share one engine process. Fewer cost more memory; more share a crash.",
        pt="Quantas sessões dividem um processo do motor. Menos custa memória; mais divide uma queda.",
        must="a whole number from 1 to 500",
        example="25",
        ge=1,
        le=500,
    )
    max_pairings: int = _setting(
        4,
        "How many sessions may wait for a QR code or a pairing code to be used at the same time.",
        pt="Quantas sessões podem esperar ao mesmo tempo pela leitura do QR code ou do código.",
        must="a whole number from 1 to 100",
        example="4",
        ge=1,
        le=100,
    )
    database_url: Annotated[SecretStr, AfterValidator(values.database)] | None = _setting(
        None,
        "The PostgreSQL database that keeps connections and messages. When unset, the service runs one of its own in DATA_DIR/postgres.",
        pt="Banco PostgreSQL que guarda conexões e mensagens. Sem ele, o serviço usa um banco próprio em DATA_DIR/postgres.",
        must="an address postgresql://user:password@host:port/database",
        example="postgresql://user:password@db.example.com:5432/postgres",
    )
    supabase_db_url: Annotated[SecretStr, AfterValidator(values.database)] | None = _setting(
        None,
        "The same for a Supabase project: its connection string, direct or of the pooler. DATABASE_URL wins over it.",
        pt="O mesmo para um projeto Supabase: a string de conexão, direta ou do pooler. DATABASE_URL vale mais.",
        must="the connection string that Supabase shows, with the password in it",
        example="postgresql://postgres.project:password@aws-0-sa-east-1.pooler.supabase.com:6543/postgres",
    )
    supabase_url: Annotated[str, AfterValidator(values.project)] | None = _setting(
        None,
        "A Supabase project to keep everything in over its REST interface, for which its key is enough. A connection string wins over it.",
        pt="Projeto Supabase que guarda tudo pela interface REST, só com a chave. Uma string de conexão vale mais.",
        must="the Project URL that Supabase shows under Data API, not the page of the dashboard",
        example="https://abcdefghijklmnopqrst.supabase.co",
    )
    supabase_secret_key: Annotated[SecretStr, AfterValidator(values.service_key)] | None = _setting(
        None,
        "The secret key of that project. It may do everything: keep it to yourself.",
        pt="Chave secreta desse projeto. Com ela se pode tudo: não a mostre a ninguém.",
        must="the project's secret key, never the publishable or anon key that browsers are given",
        example="sb_secret_0123456789abcdefghijkl",
    )
    supabase_service_role_key: Annotated[SecretStr, AfterValidator(values.service_key)] | None = _setting(
        None,
        "The same for projects that have no secret keys yet: the service_role key. SUPABASE_SECRET_KEY wins over it.",
        pt="O mesmo em projetos sem chaves secretas: a chave service_role. SUPABASE_SECRET_KEY vale mais.",
        must="the project's service_role key, never the publishable or anon key that browsers are given",
        example="eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl",
    )
    webhook_url: Annotated[SecretStr, AfterValidator(values.web_address)] | None = _setting(
        None,
        "Where events are posted to, signed as Standard Webhooks says. When unset, nobody is told.",
        pt="Endereço que recebe os eventos, assinados conforme Standard Webhooks. Sem ele, ninguém é avisado.",
        must="an http or https address",
        example="https://crm.example.com/webhooks/vigia",
    )
    webhook_secret: Annotated[SecretStr, AfterValidator(values.webhook_secret)] | None = _setting(
        None,
        "What events are signed with. When unset, a secret is made at the first start and kept in DATA_DIR/webhook-secret.",
        pt="Segredo que assina os eventos. Sem ele, um é criado na primeira vez, em DATA_DIR/webhook-secret.",
        must="base64 text of at least 24 bytes, with or without whsec_ before it",
        example="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    webhook_allow_internal: bool = _setting(
        False,
        "Whether WEBHOOK_URL may lead to an address inside your network. Leave it off unless the receiver is your own.",
        pt="Se WEBHOOK_URL pode apontar para um endereço interno. Só ligue quando o destino for seu.",
        must="true or false",
        example="false",
    )
    alert_webhook_url: Annotated[SecretStr, AfterValidator(values.web_address)] | None = _setting(
        None,
        "Where events that need a person are posted to as well, signed as those of WEBHOOK_URL are. When unset, nowhere.",
        pt="Endereço que também recebe os eventos que precisam de uma pessoa, assinados como os de WEBHOOK_URL.",
        must="an http or https address",
        example="https://alerts.example.com/vigia",
    )
    dead_letters_kept_days: int = _setting(
        30,
        "How many days a row that the database or the webhook refused for good is kept for somebody to decide about.",
        pt="Quantos dias guardar uma linha que o banco ou o webhook recusou de vez, à espera de uma decisão.",
        must="a whole number from 1 to 3650",
        example="30",
        ge=1,
        le=3650,
    )
    orphans_kept_days: int = _setting(
        30,
        "After how many days a connection that no phone was ever linked to is removed. 0: never, it is only told of.",
        pt="Após quantos dias remover uma conexão a que nenhum celular foi vinculado. 0: nunca, só avisar.",
        must="a whole number from 0 to 3650",
        example="30",
        ge=0,
        le=3650,
    )
    public_url: Annotated[str, AfterValidator(values.origin_of_ours)] | None = _setting(
        None,
        "Where browsers reach this service, for the links that it makes. When unset, the address that the caller asked at.",
        pt="Endereço em que os navegadores chegam a este serviço, para os links que ele cria. Sem isso, o da requisição.",
        must="an http or https address with nothing after the host and port",
        example="https://vigia.example.com",
    )
    cors_origin: Annotated[str, AfterValidator(values.origins)] | None = _setting(
        None,
        "The web pages that may call the API from a browser: their origins, between commas. When unset, only this service's own.",
        pt="Páginas que podem chamar a API pelo navegador: suas origens, separadas por vírgulas. Sem isso, só as deste serviço.",
        must="origins like https://crm.example.com, between commas, or *",
        example="https://crm.example.com",
    )
    rate_limit: Annotated[str, AfterValidator(values.rate)] = _setting(
        "60000/minute",
        "How many requests a caller with the key may make from one address. Without the key it is 1200/minute. `off`: as many as it likes.",
        pt="Quantas requisições quem tem a chave pode fazer de um endereço. Sem a chave são 1200/minute. `off`: sem limite.",
        must="a number and a time, as 600/minute or 20/second, or off",
        example="60000/minute",
    )
    trusted_proxies: Annotated[str, AfterValidator(values.networks)] | None = _setting(
        None,
        "The reverse proxies in front of the service, whose X-Forwarded-For is believed: addresses or networks, between commas.",
        pt="Proxies reversos na frente do serviço, cujo X-Forwarded-For vale: endereços ou redes, separados por vírgulas.",
        must="IP addresses or networks, between commas",
        example="127.0.0.1,10.0.0.0/8",
    )
    whatsapp_lab_proxy: Annotated[str, AfterValidator(values.proxy)] | None = _setting(
        None,
        "Lab mode, never for real accounts: the proxy of the local WhatsApp, as `python -m lab` prints it.",
        pt="Modo laboratório, nunca com contas reais: o proxy do WhatsApp local, como `python -m lab` o imprime.",
        must="an http address with a port, as `python -m lab` prints it",
        example="http://127.0.0.1:9001",
    )
    whatsapp_lab_ca: Annotated[Path, AfterValidator(values.readable)] | None = _setting(
        None,
        "Lab mode: the file with the local WhatsApp's certificate authority.",
        pt="Modo laboratório: o arquivo com a autoridade certificadora do WhatsApp local.",
        must="a file that this user can read, as `python -m lab` prints it",
        example="/path/to/lab/ca.pem",
    )
    whatsapp_lab_root_key: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = _setting(
        None,
        "Lab mode: the public root key of the local WhatsApp, 64 hexadecimal digits.",
        pt="Modo laboratório: a chave raiz pública do WhatsApp local, 64 dígitos hexadecimais.",
        must="64 hexadecimal digits, as `python -m lab` prints them",
        example="0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    )

    @property
    def database(self) -> str | None:
        """Answer the address of the database, or None where the service runs its own. It holds a password."""
        given = self.database_url or self.supabase_db_url
        return given.get_secret_value() if given else None

    @property
    def supabase(self) -> SupabaseSettings | None:
        """Answer the project that is kept in over REST, or None where none is named. `database` wins over it."""
        key = self.supabase_secret_key or self.supabase_service_role_key
        return SupabaseSettings(self.supabase_url, key.get_secret_value()) if self.supabase_url and key else None

    @property
    def lab(self) -> LabSettings | None:
        """Answer how to reach the local WhatsApp, or None when the service talks to the real one."""
        if self.whatsapp_lab_proxy and self.whatsapp_lab_ca and self.whatsapp_lab_root_key:
            return LabSettings(self.whatsapp_lab_proxy, self.whatsapp_lab_ca, self.whatsapp_lab_root_key.lower())
        return None


@dataclass(frozen=True, slots=True)
class SupabaseSettings:
    """A project's address and a key that may do everything."""

    url: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LabSettings:
    """Where the local WhatsApp is: its proxy's address, its certificate authority's file, its public root key in hex."""

    proxy: str
    ca: Path
    root_key: str


def load() -> Settings:
    """Read the settings. Raises `StartFailure` with one sentence for each that is wrong; no value is ever repeated in it."""
    _require_readable_file()
    try:
        settings = Settings()
    except ValidationError as error:
        wrong = dict.fromkeys(str(one["loc"][0]) for one in error.errors())
        raise _failure(
            [*map(_sentence, wrong), *_incomplete_lab(_LabGiven())]
        ) from None  # its values are nobody's business
    if problems := [*_incomplete_lab(settings), *_incomplete_supabase(settings)]:
        raise _failure(problems)
    return settings


def warnings(settings: Settings, folder: Path | None = None) -> list[str]:
    """Answer what is not wrong but probably not meant: keys of the file that nearly are settings, and a short API key."""
    path = (folder or Path()) / ENV_FILE
    text = path.read_text("utf-8-sig") if path.is_file() else ""
    names = [name.upper() for name in Settings.model_fields]
    found: list[str] = []
    keys: list[str] = re.findall(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=", text, re.MULTILINE)
    for key in keys:
        near = difflib.get_close_matches(key.upper(), names, n=1, cutoff=0.85)
        if near and key.upper() not in names and key.upper() not in _STRANGERS:
            found.append(f"{ENV_FILE} sets {key}, which is no setting of this service: did you mean {near[0]}?")
    if "*" in [each.strip() for each in (settings.cors_origin or "").split(",")]:
        found.append(
            "CORS_ORIGIN=* lets every web page call the API from a browser that knows the key: name the pages."
        )
    if settings.supabase_url and _is_in_the_open(settings.supabase_url):
        found.append("SUPABASE_URL is http: whoever is on the way reads the key and every message; use https.")
    if settings.api_key is not None and len(settings.api_key.get_secret_value()) < SHORT_KEY:
        found.append(
            f"API_KEY has fewer than {SHORT_KEY} characters and could be guessed: use a longer one, or unset it."
        )
    return found


def _is_in_the_open(url: str) -> bool:
    """Whether it leads over plain HTTP to another machine; a name without a dot is a container's beside us."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "http" and "." in host and not host.startswith("127.")


def _require_readable_file() -> None:
    path = Path(ENV_FILE)
    try:
        if path.is_file():
            path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise StartFailure(
            ExitCode.USAGE,
            f"{path.absolute()} cannot be read ({why}): mend or remove it, or start from another folder.",
        ) from error


def _sentence(name: str) -> str:
    field = Settings.model_fields[name]
    extra: Any = field.json_schema_extra
    unset = "leave it out" if field.default is None else f"leave it out for {field.default}"
    key = name.upper()
    return f"{key} must be {extra['must']}: write for example {key}={extra['example']} (environment or {ENV_FILE}), or {unset}."


def _failure(problems: list[str]) -> StartFailure:
    return StartFailure(ExitCode.USAGE, "\n".join(problems))


class _LabGiven(BaseSettings):
    """The lab settings as they were written, right or wrong."""

    model_config = Settings.model_config

    whatsapp_lab_proxy: str | None = None
    whatsapp_lab_ca: str | None = None
    whatsapp_lab_root_key: str | None = None


def _incomplete_supabase(given: Settings) -> list[str]:
    """Half of it would silently keep everything elsewhere."""
    key = given.supabase_secret_key or given.supabase_service_role_key
    if given.database or (given.supabase_url is None) == (key is None):
        return []
    if key is None:
        return [
            "SUPABASE_URL is set and SUPABASE_SECRET_KEY is missing: set it to the project's secret key, or leave both out."
        ]
    return ["SUPABASE_URL is missing beside the project's key: set it to the Project URL, or leave both out."]


def _incomplete_lab(given: Settings | _LabGiven) -> list[str]:
    missing = [name for name in LAB_NAMES if getattr(given, name.lower()) is None]
    if len(missing) in (0, len(LAB_NAMES)):
        return []
    return [
        f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing: lab mode needs {', '.join(LAB_NAMES)} "
        "together, as `python -m lab` prints them; set all three, or none."
    ]
