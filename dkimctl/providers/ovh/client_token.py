"""The access token of an OAuth2 service account."""

import logging
from typing import Any

from dkimctl.providers.ovh.client_errors import unreached
from dkimctl.providers.ovh.refusals import Kind, OvhError, lost

PATH = "/auth/oauth2/token"
NO_TOKEN = (AttributeError, TypeError, ValueError, RecursionError)
"""The exceptions of the OAuth2 library for an answer that is not a JSON object."""


def fetch_token(client: Any, timeout: tuple[float, float]) -> None:
    """Get the first access token: the library itself would do it inside the next call and without a timeout.

    The session that uses the token is limited like the client's own. Raises OvhError.
    """
    from oauthlib.oauth2 import BackendApplicationClient
    from ovh.exceptions import OAuth2FailureError
    from ovh.oauth2 import RefreshOAuth2Session
    from requests import RequestException

    from dkimctl.providers.limited_http import bound

    for library in ("requests_oauthlib", "oauthlib"):
        logging.getLogger(library).setLevel(logging.WARNING)  # at DEBUG they log the token
    account = client._oauth2
    session = RefreshOAuth2Session(
        token_url=account.token_url, client=BackendApplicationClient(client_id=account.client_id, scope=["all"])
    )
    bound(session)
    try:
        account._token = session.fetch_token(
            token_url=account.token_url,
            client_id=account.client_id,
            client_secret=account.client_secret,
            timeout=timeout,
        )
        account.session.auto_refresh_kwargs["timeout"] = timeout
        bound(account.session)
    except RequestException as error:
        raise unreached(error, "POST", PATH) from None
    except OAuth2FailureError as error:
        raise refused_token(str(error)) from None
    except NO_TOKEN:
        raise lost("gave no access token", "POST", PATH) from None


def refused_token(said: str) -> OvhError:
    """Return the error for a refused token; `said`: the library's message."""
    if "status_code=5" in said or not ("status_code=4" in said or "invalid_client" in said):
        return lost("gave no access token", "POST", PATH)
    return OvhError(
        Kind.REFUSED,
        "OVH refused the service account: client id or client secret is wrong",
        hint="check OVH_CLIENT_ID and OVH_CLIENT_SECRET, and that they belong to this endpoint",
        status=401,
        call=f"POST {PATH}",
    )
