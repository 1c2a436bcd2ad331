"""Core's properties: short texts that hang on an annotation under a key."""

from __future__ import annotations

import json
from typing import Any

from cytomine.models import Annotation as ClientAnnotation

from app.gateway.http import CoreHttp
from app.gateway.records import domain_of, id_of, reading, records_of


class CoreProperties:
    """The properties of annotations, as one account sees them.

    Parameters
    ----------
    http : CoreHttp
        Carries the account's signature, or a user's token.
    """

    def __init__(self, http: CoreHttp) -> None:
        self._http = http

    def put(self, annotation_id: int, key: str, value: str) -> dict[str, Any]:
        """Hang a text on an annotation, in place of what hangs there under the key; gives Core's answer.

        Raises
        ------
        NotThere
            The annotation is gone, or somebody took the old text away just now.
        PlatformError
            Core refuses or fails.
        """
        with reading("annotation"):
            domain = domain_of(self._http.get(ClientAnnotation(id=annotation_id).uri()))
        place = f"domain/{domain}/{annotation_id}/property"
        with reading("list of properties"):
            listed = records_of(self._http.get(f"{place}.json"))
            known = [id_of(record) for record in listed if record["key"] == key]
        body = {"domainClassName": domain, "domainIdent": annotation_id, "key": key, "value": value}
        if known:
            return self._http.put(f"{place}/{known[0]}.json", json.dumps({**body, "id": known[0]}))
        return self._http.post(f"{place}.json", json.dumps(body))
