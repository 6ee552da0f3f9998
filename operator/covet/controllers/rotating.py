"""Actions of a password's rotation: each reads the Secret afresh, and writes over that version alone."""

from covet.controllers import agents, freshness
from covet.controllers.freshness import Means
from covet.controllers.observe import Seen
from covet.core import events, names
from covet.core.agentapi import Peer
from covet.core.agentorders import LoginOrder, RetireOrder
from covet.core.errors import ConflictError, RefusedError
from covet.kube import resources
from covet.kube.resources import Manifest
from covet.manifests import passwords, secrets
from covet.planner import routers
from covet.planner.loginactions import BeginRotation, EndRotation, PutLogin, RetireLogin, StageLogin, SwitchLogin
from covet.planner.record import Rotation, ShardRecord
from covet.planner.telling import News


async def begin(means: Means, seen: Seen, action: BeginRotation) -> None:
    """Record which login follows which."""
    await _record(means, seen, action.rotation)


async def stage(means: Means, seen: Seen, action: StageLogin) -> None:
    """Make the next password and keep it in the Secret, beside the one in force."""
    secret, values = await _secret(means, seen)
    if values.get(secrets.NEXT_USERNAME) == action.login and values.get(secrets.NEXT_PASSWORD):
        return
    data = {secrets.NEXT_USERNAME: action.login, secrets.NEXT_PASSWORD: passwords.generate()}
    await _write(means, seen, secret, dict(secrets.coded(data)))


async def put_login(means: Means, seen: Seen, action: PutLogin) -> None:
    """Have the leader make a login with its password, then record the digest; the verifier is computed here."""
    secret, values = await _secret(means, seen)
    keys = (secrets.NEXT_USERNAME, secrets.NEXT_PASSWORD) if action.staged else ("username", "password")
    login, password = (values.get(key, "") for key in keys)
    if login != action.login:
        raise ConflictError("SecretChanged", f"Secret {secret['metadata']['name']} no longer names {action.login}.")
    try:
        verifier = passwords.verifier(password, passwords.salt(freshness.identity_of(seen).cluster_uid, login))
    except ValueError as error:
        raise RefusedError(
            "PasswordUnreadable",
            f"Secret {secret['metadata']['name']} has no usable key `{keys[1]}` ({error}): write one of printable"
            " ASCII, or delete the Secret and a new one is made.",
        ) from error
    owner = freshness.born(seen).database.owner
    order = LoginOrder(owner=owner, login=login, verifier=verifier)
    await means.agents.orders.put_login(_peer(seen, action.shard, action.leader), order)
    digest = secrets.password_digest(secret, _authority(seen), staged=action.staged)
    if digest is None:
        return

    def change(known: ShardRecord) -> ShardRecord:
        return known.given(digest, staged=action.staged)

    await freshness.change_record(means, seen, action.shard, change)


async def switch(means: Means, seen: Seen, action: SwitchLogin) -> None:
    """Have the Secret name the login that every shard was given, with its password and addresses, in one write."""
    secret, values = await _secret(means, seen)
    if values.get("username") == action.login:
        return
    given = secrets.password_digest(secret, _authority(seen), staged=True)
    if values.get(secrets.NEXT_USERNAME) != action.login or given != action.digest:
        raise ConflictError("SecretChanged", "The next password is not the one that the shards were given.")
    born, password = freshness.born(seen), values[secrets.NEXT_PASSWORD]
    shards = [known.name for known in freshness.identity_of(seen).shards]
    door = routers.address(seen.ref.name, seen.ref.namespace) if routers.leads(seen.facts) else ""
    derived = secrets.derived(
        seen.ref, born.database.name, action.login, password, values.get(secrets.TRUST, ""), shards, door
    )
    data: dict[str, str | None] = {**secrets.coded({"username": action.login, "password": password, **derived})}
    data |= {secrets.NEXT_USERNAME: None, secrets.NEXT_PASSWORD: None}
    await _write(means, seen, secret, data)
    message = (
        f"Secret {secret['metadata']['name']} has a new password, for {action.login}; {values.get('username')} works"
        " until nothing uses it."
    )
    means.news.append(News(events.PASSWORD_ROTATED, message))


async def retire(means: Means, seen: Seen, action: RetireLogin) -> None:
    """Have the leader let nobody log in as a role any more."""
    _, values = await _secret(means, seen)
    if values.get("username") == action.login:
        raise ConflictError("SecretChanged", f"The Secret names {action.login} again.")
    database = freshness.born(seen).database
    order = RetireOrder(database=database.name, owner=database.owner, login=action.login)
    await means.agents.orders.retire_login(_peer(seen, action.shard, action.leader), order)


async def end(means: Means, seen: Seen, action: EndRotation) -> None:
    """Record that the former login is gone."""
    await _record(means, seen, action.rotation)
    message = f"Nobody can log in as {action.former} any more; the application logs in as {action.rotation.login}."
    means.news.append(News(events.LOGIN_RETIRED, message))


async def _record(means: Means, seen: Seen, rotation: Rotation) -> None:
    before = freshness.identity_of(seen).rotation
    await freshness.change_rotation(means, seen, before, rotation)


async def _secret(means: Means, seen: Seen) -> tuple[Manifest, dict[str, str]]:
    """Return the Secret of the database's owner as it is now, with its values.

    Raises:
        ConflictError: it is gone.
        RefusedError: it cannot be read.
    """
    await freshness.still_wanted(means, seen)
    name = names.user_secret(seen.ref.name, freshness.born(seen).database.owner)
    found = await means.kube.get(resources.SECRET, seen.ref.namespace, name)
    if found is None:
        raise ConflictError("SecretGone", f"Secret {name} is gone.")
    try:
        return found, secrets.values_of(found)
    except (ValueError, TypeError) as error:
        raise RefusedError("PasswordUnreadable", f"Secret {name} cannot be read: {error}.") from error


async def _write(means: Means, seen: Seen, secret: Manifest, data: dict[str, str | None]) -> None:
    metadata = secret["metadata"]
    patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "data": data}
    await means.kube.merge(resources.SECRET, seen.ref.namespace, metadata["name"], patch)


def _authority(seen: Seen) -> Manifest | None:
    return seen.objects.get(("Secret", seen.ref.namespace, names.authority_secret(seen.ref.name)))


def _peer(seen: Seen, shard: str, instance: str) -> Peer:
    return agents.peer_of(instance, names.shard_set(seen.ref.name, shard), seen.ref.namespace)
