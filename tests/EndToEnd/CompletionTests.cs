using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>The completions in the shells that they are for, typed with the tab key in a terminal; what the program is then called with.</summary>
public sealed class CompletionTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("bitflow-completion-").FullName;

    public CompletionTests()
    {
        // A file whose name must be quoted, and a folder that is called as a command is.
        File.WriteAllText(Path.Combine(_folder, "my config.yaml"), "");
        File.WriteAllText(Path.Combine(_folder, "web.yaml"), "");
        Directory.CreateDirectory(Path.Combine(_folder, "check"));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("che\t", "check")]
    [InlineData("check --config my\t", "check|--config|my config.yaml")]
    [InlineData("check --config w\t", "check|--config|web.yaml")]
    [InlineData("check --config=w\t", "check|--config=web.yaml")]
    [InlineData("--config=w\t", "--config=web.yaml")]
    [InlineData("--config check exp\t--sou\t1", "--config|check|explain|--source|1")]
    [InlineData("--config=check exp\t--sou\t1", "--config=check|explain|--source|1")]
    [InlineData("explain --format=j\t", "explain|--format=json")]
    [InlineData("test my\t", "test|my config.yaml")]
    [InlineData("test --h\t", "test|--help")]
    [InlineData("inspect prox\tw\t", "inspect|proxy-header|web.yaml")]
    [InlineData("help che\t", "help|check")]
    public Task Bash_completes_commands_options_and_files(string typed, string called) =>
        TypedAsync("bash --norc --noprofile -i", "bind 'set enable-bracketed-paste off'; source", "bitflow.bash", typed, called);

    [Theory]
    [InlineData("che\t", "check")]
    [InlineData("check --config my\t", "check|--config|my config.yaml")]
    [InlineData("check --config=w\t", "check|--config=web.yaml")]
    [InlineData("explain --format=j\t", "explain|--format=json")]
    [InlineData("explain --config web.yaml --sou\t1", "explain|--config|web.yaml|--source=1")]
    [InlineData("replay --config web.yaml --lo\tw\t", "replay|--config|web.yaml|--log=web.yaml")]
    public Task Zsh_completes_commands_options_and_files(string typed, string called) =>
        TypedAsync("zsh -f -i", "autoload -Uz compinit; compinit -D -u; compdef _bitflow bitflow; autoload -Uz +X", "_bitflow", typed, called);

    private async Task TypedAsync(string shell, string load, string completions, string typed, string called)
    {
        string file = Path.Combine(Repository.Root, "deploy/completions", completions);
        using var terminal = new ChildProcess(
            "script",
            ["--quiet", "--return", "--command", shell, "/dev/null"],
            new Dictionary<string, string> { ["TERM"] = "dumb", ["PS1"] = "", ["HOME"] = _folder },
            _folder);
        // The shell reads keys for itself only while it waits for a line: what is typed before, the terminal may take for its own.
        await terminal.Input.WriteAsync(
            $"fpath=('{Path.GetDirectoryName(file)}' $fpath); bitflow() {{ printf '%s|' \"$@\" >called; }}; {load} '{(completions.StartsWith('_') ? completions : file)}'; echo rea''dy\n");
        await terminal.Input.FlushAsync();
        await Eventually.IsTrueAsync(() => terminal.Output.Contains("ready", StringComparison.Ordinal), () => $"the shell is ready:\n{terminal.Output}");
        await terminal.Input.WriteAsync($"bitflow {typed}\nexit\n");
        await terminal.Input.FlushAsync();
        await terminal.ExitAsync();
        string result = Path.Combine(_folder, "called");
        Assert.True(File.Exists(result), $"the line was never complete:\n{terminal.Output}");
        Assert.Equal(called + "|", await File.ReadAllTextAsync(result));
    }
}
