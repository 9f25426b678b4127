#!/usr/bin/env python3
"""Cuts GitHub's official description of its REST API down to the operations Pointsman uses.

    cut_openapi.py <api.github.com.deref.json> <version of @octokit/openapi> > openapi.json

The source is `generated/api.github.com.deref.json` of the npm package @octokit/openapi (MIT, 385 MB installed): no `$ref`s.
A description that was cut before works as a source, too. What is changed, because Prism would otherwise judge wrongly:
Link headers are dropped (the official example leads a paging client to the real api.github.com), 304 is added to every GET.
Prose and examples are dropped for size.
"""

import json
import sys

REPO = "/repos/{owner}/{repo}"
ISSUE = REPO + "/issues/{issue_number}"
OPERATIONS = [
    ("/user", "get"),
    (REPO, "get"),
    (REPO + "/issues", "get"),
    (REPO + "/issues", "post"),
    (ISSUE, "get"),
    (ISSUE, "patch"),
    (ISSUE + "/labels", "get"),
    (ISSUE + "/labels", "post"),
    (ISSUE + "/labels/{name}", "delete"),
    (ISSUE + "/events", "get"),
    (ISSUE + "/comments", "get"),
    (ISSUE + "/comments", "post"),
    (REPO + "/issues/comments/{comment_id}", "get"),
    (REPO + "/issues/comments/{comment_id}", "patch"),
    (REPO + "/labels", "get"),
    (REPO + "/labels", "post"),
    (REPO + "/labels/{name}", "get"),
    (REPO + "/labels/{name}", "patch"),
    (REPO + "/collaborators/{username}/permission", "get"),
    ("/app/installations/{installation_id}/access_tokens", "post"),
]
PROSE = {"description", "externalDocs", "x-octokit", "x-github", "x-github-breaking-changes", "x-displayName", "summary"}
# The name of a property may be one of these words; only keywords of a schema or an operation are dropped.
NAMED_CHILDREN = {"properties", "responses", "headers", "content"}


def cut(node, named=False):
    if isinstance(node, list):
        return [cut(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {}
    for key, value in node.items():
        if not named and key in PROSE | {"title", "example", "examples", "default", "readOnly"} and not (
            key == "default" and "200" in node
        ):
            continue
        kept[key] = cut(value, named=not named and key in NAMED_CHILDREN)
    return kept


def operation(source, path, method):
    result = cut(source["paths"][path][method])
    for status, response in result["responses"].items():
        response["description"] = status
        response.get("headers", {}).pop("Link", None)
    if method == "get":
        result["responses"].setdefault("304", {"description": "not modified: added, see cut_openapi.py"})
    # Refusals keep only their status: nobody reads their schemas here.
    for status, response in result["responses"].items():
        if not status.startswith("2"):
            response.pop("content", None)
    return result


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        source = json.load(file)
    paths = {}
    for path, method in OPERATIONS:
        paths.setdefault(path, {})[method] = operation(source, path, method)
    origin = f"Cut from npm @octokit/openapi@{sys.argv[2]} (MIT), api.github.com.deref.json, by cut_openapi.py."
    info = {"title": "GitHub REST, what Pointsman uses", "version": "1", "description": origin, "license": {"name": "MIT"}}
    json.dump(
        {"openapi": "3.0.3", "info": info, "servers": [{"url": "https://api.github.com"}], "paths": paths},
        sys.stdout,
        separators=(",", ":"),
        ensure_ascii=False,
    )


if __name__ == "__main__":
    main()
