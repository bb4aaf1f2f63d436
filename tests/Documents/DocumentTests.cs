using System.Text.RegularExpressions;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.Documents;

/// <summary>What the documents say is true: their configurations pass `check`, their links lead somewhere, their targets of make exist.</summary>
public sealed partial class DocumentTests
{
    public static TheoryData<string> Documents => [.. AllDocuments()];

    private static IEnumerable<string> AllDocuments() =>
        new[] { "README.md", "CONTRIBUTING.md", "CHANGELOG.md" }
            .Concat(Directory.GetFiles(Path.Combine(Repository.Root, "docs"), "*.md", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(Repository.Root, f)))
            .Concat(Directory.GetFiles(Path.Combine(Repository.Root, "deploy"), "*.md", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(Repository.Root, f)));

    [Theory]
    [MemberData(nameof(Documents))]
    public async Task Every_whole_configuration_in_a_document_passes_check(string document)
    {
        string text = await File.ReadAllTextAsync(Path.Combine(Repository.Root, document));
        foreach (Match block in YamlBlock().Matches(text))
        {
            string yaml = block.Groups["yaml"].Value;
            if (!yaml.Contains("\nserver:", StringComparison.Ordinal) && !yaml.StartsWith("server:", StringComparison.Ordinal))
                continue;
            string path = Path.GetTempFileName();
            await File.WriteAllTextAsync(path, yaml);
            (int status, _, string errors) = await ChildProcess.RunAsync(Repository.Binary, ["check", "--config", path]);
            File.Delete(path);
            // Files that an example names (keys, certificates, logs) exist only where it is used.
            string[] faults = [.. errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(l => !l.StartsWith("warning:", StringComparison.Ordinal) && !l.Contains("/etc/", StringComparison.Ordinal))];
            Assert.True(status == 0 || faults.Length == 0, $"{document}:\n{yaml}\n{string.Join('\n', faults)}");
        }
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void Every_link_to_a_file_leads_to_one(string document)
    {
        string folder = Path.GetDirectoryName(Path.Combine(Repository.Root, document))!;
        string text = File.ReadAllText(Path.Combine(Repository.Root, document));
        foreach (Match link in Link().Matches(text))
        {
            string target = link.Groups["target"].Value.Split('#')[0];
            if (target.Length == 0 || target.Contains("://", StringComparison.Ordinal))
                continue;
            string path = Path.GetFullPath(Path.Combine(folder, target));
            Assert.True(File.Exists(path) || Directory.Exists(path), $"{document} links to {target}, which is not there");
        }
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void Every_target_of_make_in_a_document_exists(string document)
    {
        string makefile = File.ReadAllText(Path.Combine(Repository.Root, "Makefile"));
        string text = File.ReadAllText(Path.Combine(Repository.Root, document));
        foreach (Match command in MakeCommand().Matches(text))
            Assert.Contains($"\n{command.Groups["target"].Value}:", makefile, StringComparison.Ordinal);
    }

    [GeneratedRegex(@"```yaml\n(?<yaml>.*?)```", RegexOptions.Singleline)]
    private static partial Regex YamlBlock();

    [GeneratedRegex(@"\]\((?<target>[^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"(?:^    |`)make (?<target>[a-z][a-z-]*)", RegexOptions.Multiline)]
    private static partial Regex MakeCommand();
}
