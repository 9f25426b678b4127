//! Which of the changed files decide how the change itself is judged: the gates' own inputs, and tests.

/// Folders, at any depth, whose contents steer builds, automation or agents.
const FOLDERS: [&str; 21] = [
    ".pointsman",
    ".github",
    ".gitlab",
    ".circleci",
    ".buildkite",
    ".woodpecker",
    ".ci",
    ".husky",
    ".cargo",
    ".config",
    ".mvn",
    "gradle",
    ".claude",
    ".codex",
    ".gemini",
    ".qwen",
    ".opencode",
    ".cursor",
    ".agents",
    ".aider",
    ".vscode",
];

/// File names, in lower case, that are build files, automation or agents' instructions.
const NAMES: [&str; 76] = [
    // builds
    "makefile",
    "gnumakefile",
    "justfile",
    ".justfile",
    "taskfile.yml",
    "taskfile.yaml",
    "cmakelists.txt",
    "meson.build",
    "configure",
    "configure.ac",
    "build.rs",
    "cargo.toml",
    "cargo.lock",
    "clippy.toml",
    "rust-toolchain",
    "rust-toolchain.toml",
    "package.json",
    "package-lock.json",
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    "yarn.lock",
    "bun.lockb",
    "bun.lock",
    ".npmrc",
    ".yarnrc.yml",
    "deno.json",
    "deno.jsonc",
    "tsconfig.json",
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "tox.ini",
    "pytest.ini",
    "conftest.py",
    "noxfile.py",
    "uv.lock",
    "poetry.lock",
    "pipfile",
    "go.mod",
    "go.sum",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "settings.gradle",
    "settings.gradle.kts",
    "gradlew",
    "gemfile",
    "gemfile.lock",
    "rakefile",
    "mix.exs",
    "composer.json",
    "package.swift",
    "build.bazel",
    "workspace",
    "dockerfile",
    "docker-compose.yml",
    "compose.yaml",
    "flake.nix",
    "shell.nix",
    // automation
    ".gitlab-ci.yml",
    ".travis.yml",
    ".drone.yml",
    "azure-pipelines.yml",
    "bitbucket-pipelines.yml",
    "appveyor.yml",
    "jenkinsfile",
    ".pre-commit-config.yaml",
    ".gitattributes",
    ".gitmodules",
    // agents
    "agents.md",
    "claude.md",
    "claude.local.md",
    "gemini.md",
    "qwen.md",
    "opencode.json",
    ".mcp.json",
];

/// Beginnings of file names, in lower case.
const BEGINNINGS: [&str; 8] = [
    "jest.config.",
    "vitest.config.",
    "vite.config.",
    "webpack.config.",
    "playwright.config.",
    "requirements",
    ".aider",
    ".cursorrules",
];

/// Endings of file names, in lower case.
const ENDINGS: [&str; 5] = [".mk", ".cmake", ".csproj", ".sln", ".props"];

/// Returns those of the changed files that are inputs of the gates themselves: build files, automation, `.pointsman/`,
/// instructions for agents. They are named in the evidence, so that a person sees a change to how work is judged.
pub fn gate_inputs(changed: &[String]) -> Vec<String> {
    changed
        .iter()
        .filter(|path| is_input(path))
        .cloned()
        .collect()
}

fn is_input(path: &str) -> bool {
    let lower = path.to_lowercase();
    let mut parts = lower.split('/').rev();
    let name = parts.next().unwrap_or_default();
    parts.any(|folder| FOLDERS.contains(&folder))
        || NAMES.contains(&name)
        || BEGINNINGS.iter().any(|start| name.starts_with(start))
        || ENDINGS.iter().any(|end| name.ends_with(end))
}

/// Folders, at any depth, that hold tests.
const TEST_FOLDERS: [&str; 9] = [
    "test",
    "tests",
    "testing",
    "spec",
    "specs",
    "__tests__",
    "e2e",
    "testdata",
    "fixtures",
];

/// Says whether a file is a test by its path, in the habits of the common languages.
pub fn is_test(path: &str) -> bool {
    let lower = path.to_lowercase();
    let mut parts = lower.split('/').rev();
    let name = parts.next().unwrap_or_default();
    if parts.any(|folder| TEST_FOLDERS.contains(&folder)) {
        return true;
    }
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let is_word = |word: &str| matches!(word, "test" | "tests" | "spec" | "specs");
    // `FooTest.java`: the case tells it from `latest.js`.
    let own = path.rsplit('/').next().unwrap_or_default();
    let own_stem = own.rsplit_once('.').map_or(own, |(stem, _)| stem);
    stem.split(['_', '-', '.']).any(is_word)
        || own_stem.ends_with("Test")
        || own_stem.ends_with("Tests")
        || own_stem.ends_with("Spec")
}
