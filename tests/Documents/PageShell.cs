using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Bitflow.Tests.Fixtures;

namespace Bitflow.Tests.Documents;

/// <summary>
/// A shell for the commands of one page, as a reader has it: in a folder that looks like a checkout with the program built, the program on
/// the path, and where the machine permits it on a network of its own, so that pages may use the same ports. Whatever the page started
/// ends with it.
/// </summary>
internal sealed partial class PageShell : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private static readonly Lazy<bool> HasOwnNetwork = new(() => ChildProcess.RunAsync("unshare", ["--net", "true"]).GetAwaiter().GetResult().Status == 0);

    private readonly ChildProcess _shell;
    private readonly string _said = Directory.CreateTempSubdirectory("bitflow-said-").FullName;
    private int _commands;

    public PageShell()
    {
        Folder = Directory.CreateTempSubdirectory("bitflow-page-").FullName;
        LayOut(Folder);
        string[] shell = ["bash", "--norc"];
        if (HasOwnNetwork.Value)
            shell = ["unshare", "--net", .. shell];
        var environment = new Dictionary<string, string>
        {
            ["PATH"] = $"{Path.Combine(Folder, "bin")}:{Environment.GetEnvironmentVariable("PATH")}",
            ["BITFLOW_CONFIG"] = "",
            ["MAKEFLAGS"] = "",
            ["MAKELEVEL"] = "",
            ["TERM"] = "dumb",
        };
        _shell = new ChildProcess(shell[0], shell[1..], environment, Folder);
        if (HasOwnNetwork.Value)
            _shell.Input.WriteLine("ip link set lo up");
    }

    public string Folder { get; }

    /// <summary>Runs a command of the page, and waits until it has said what the page shows.</summary>
    /// <param name="shown">What the page shows below the command; null: nothing is shown, and it has to succeed.</param>
    /// <param name="serves">It goes on; what it says first is what is shown.</param>
    public async Task RunAsync(string place, string command, string? shown, bool serves)
    {
        int number = ++_commands;
        string said = Path.Combine(_said, $"{number}");
        await _shell.Input.WriteLineAsync($"{{ {command}\n}} >'{said}' 2>&1 </dev/null{(serves ? " &" : "")}\necho \"done {number} $?\"");
        await _shell.Input.FlushAsync();
        Match done = Match.Empty;
        await Eventually.IsTrueAsync(
            () => (done = Regex.Match(_shell.Output, $@"^done {number} (\d+)$", RegexOptions.Multiline)).Success,
            () => $"{place}: \"{command}\" ends; it said:\n{Said(said)}{_shell.Errors}",
            Patience);
        string status = done.Groups[1].Value;
        if (status is "126" or "127" || (shown is null && status != "0"))
            throw new InvalidOperationException($"{place}: \"{command}\" ended with {status}:\n{Said(said)}");
        if (shown is null)
            return;
        Regex pattern = PatternOf(shown, serves);
        // What was put into the background by the command itself may still be speaking.
        await Eventually.IsTrueAsync(() => pattern.IsMatch(Said(said)), () => $"{place}: \"{command}\" says\n{shown}\nbut it said\n{Said(said)}", Eventually.Patience);
    }

    public void Dispose()
    {
        _shell.Dispose();
        Directory.Delete(Folder, recursive: true);
        Directory.Delete(_said, recursive: true);
    }

    /// <summary>
    /// What a page shows, as a pattern: `…` stands for what varies within a line, alone in a line for lines that are left out, and a time for
    /// any time.
    /// </summary>
    private static Regex PatternOf(string shown, bool goesOn)
    {
        IEnumerable<string> lines = shown.TrimEnd('\n').Split('\n').Select(static line => line.Trim() == "…"
            ? "(?:.*\\n)*?"
            : string.Concat(Times().Split(line).Select(static (part, i) => i == 0 ? Varying(part) : Time + Varying(part))) + "[ \\t]*\\n");
        string all = shown.Trim().Length == 0 ? "" : string.Concat(lines);
        return new Regex($"\\A{all}{(goesOn ? "" : "\\z")}", RegexOptions.CultureInvariant, TimeSpan.FromSeconds(10));
    }

    private const string Time = @"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d\d:\d\d)";

    private static string Varying(string text) => string.Join(".*", text.TrimEnd().Split('…').Select(Regex.Escape)) + (text.EndsWith(' ') && text.Trim().Length > 0 ? "[ ]*" : "");

    private static string Said(string path)
    {
        if (!File.Exists(path))
            return "";
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(file);
        string text = reader.ReadToEnd();
        return text.Length == 0 || text.EndsWith('\n') ? text : text + "\n";
    }

    /// <summary>The folders of this checkout by links, its files as copies that are older than the program: `make` has nothing to build.</summary>
    private static void LayOut(string folder)
    {
        foreach (string path in Directory.GetDirectories(Repository.Root))
        {
            if (Path.GetFileName(path) is not ("bin" or "artifacts" or ".git" or ".vs"))
                File.CreateSymbolicLink(Path.Combine(folder, Path.GetFileName(path)), path);
        }

        foreach (string path in Directory.GetFiles(Repository.Root))
        {
            string copy = Path.Combine(folder, Path.GetFileName(path));
            File.Copy(path, copy);
            File.SetLastWriteTimeUtc(copy, DateTime.UnixEpoch);
        }

        string programs = Directory.CreateDirectory(Path.Combine(folder, "bin")).FullName;
        string architecture = RuntimeInformation.OSArchitecture == Architecture.Arm64 ? "arm64" : "x64";
        File.CreateSymbolicLink(Path.Combine(programs, $"bitflow-linux-{architecture}"), Repository.Binary);
        File.CreateSymbolicLink(Path.Combine(programs, "bitflow"), Repository.Binary);
    }

    [GeneratedRegex(@"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d\d:\d\d)")]
    private static partial Regex Times();
}
