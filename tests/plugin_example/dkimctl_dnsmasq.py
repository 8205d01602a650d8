"""A provider for dkimctl: TXT records of dnsmasq, one `txt-record=NAME,"…","…"` a line in a file of their own."""

import re
from pathlib import Path

from dkimctl import Capabilities, ConfigError, Create, ProviderRecord, Replace, Unavailable


def open_dnsmasq(setup):
    """`--provider dnsmasq:ZONE`; the file is `file` in [providers.dnsmasq]."""
    if not setup.argument:
        raise ConfigError("the provider dnsmasq needs a zone", hint="type: --provider dnsmasq:example.com")
    return Dnsmasq(setup.argument, setup.settings.at(setup.options.get("file", "/etc/dnsmasq.d/dkim.conf")))


class Dnsmasq:
    name = "dnsmasq"
    capabilities = Capabilities(field_type="TXT", next_step="restart dnsmasq: it reads its files when it starts")

    def __init__(self, zone: str, path: Path):
        self.zone, self.path = zone, path

    def zone_of(self, name):
        if not f".{name}".endswith(f".{self.zone}"):
            raise Unavailable(f"{name} is not in {self.zone}", hint="name its zone: --provider dnsmasq:ZONE")
        return self.zone

    def find(self, zone, names):
        return {name: [record for record in self._records() if record.name == name] for name in names}

    def apply(self, zone, changes):
        records = self._records()
        for change in changes:
            if isinstance(change, Create):
                records.append(change.record)
            elif isinstance(change, Replace):
                records[records.index(change.before)] = change.after
            else:
                records.remove(change.record)
        new = self.path.with_name(self.path.name + ".new")
        new.write_text("".join(map(_line, records)))
        new.rename(self.path)

    def activate(self, zone):
        pass

    def is_active(self, zone):
        return None

    def _records(self):
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        split = [(line.removeprefix("txt-record=").split(",")[0], re.findall(r'"([^"]*)"', line)) for line in lines]
        return [ProviderRecord(name, "TXT", "".join(parts), id="".join(parts)) for name, parts in split]


def _line(record):
    parts = [f'"{record.text[i : i + 255]}"' for i in range(0, len(record.text), 255)]
    return f"txt-record={record.name},{','.join(parts)}\n"
