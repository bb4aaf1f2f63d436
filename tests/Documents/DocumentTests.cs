using System.Text.RegularExpressions;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.Documents;

/// <summary>What the documents say is true: their configurations pass `check`, their links lead somewhere, their targets of make exist.</summary>
public sealed partial class DocumentTests
{
    public static TheoryData<string> Documents => [.. Pages.All];

    /// <summary>Configurations beside the pages; the last stands within a ConfigMap.</summary>
    public static TheoryData<string> Configurations => ["config.example.yaml", "deploy/config.yaml", "deploy/kubernetes/bitflow.yaml"];

    [Theory]
    [MemberData(nameof(Documents))]
    public async Task Every_whole_configuration_in_a_document_passes_check(string document)
    {
        foreach (Block block in Pages.BlocksOf(document).Where(b => b.Language == "yaml" && b.File != "faulty.yaml" && WholeConfiguration().IsMatch(b.Text)))
            await CheckAsync(block.Place, block.Text);
    }

    [Theory]
    [MemberData(nameof(Configurations))]
    public async Task Every_configuration_that_is_shipped_passes_check(string file)
    {
        string text = Pages.TextOf(file);
        if (text.Contains("kind: ConfigMap", StringComparison.Ordinal))
            text = Regex.Replace(Regex.Match(text, @"config\.yaml: \|\n(?<config>(?:    .*\n|\n)+)").Groups["config"].Value, "^    ", "", RegexOptions.Multiline);
        Assert.Matches(WholeConfiguration(), text);
        await CheckAsync(file, text);
    }

    [Fact]
    public void A_pod_has_time_to_be_taken_out_of_the_service_and_to_drain()
    {
        string pod = Pages.TextOf("deploy/kubernetes/bitflow.yaml");
        int Seconds(string pattern) => int.Parse(Regex.Match(pod, pattern).Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture);
        int leave = Seconds(@"preStop:\n\s+exec: \{ command: \[""sleep"", ""(\d+)""\] \}");
        Assert.True(leave > 0);
        Assert.True(leave + Seconds(@"shutdown_timeout: (\d+)s") < Seconds(@"terminationGracePeriodSeconds: (\d+)"));
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void Every_link_leads_somewhere(string document)
    {
        string folder = Path.GetDirectoryName(Path.Combine(Repository.Root, document))!;
        foreach (Match link in Link().Matches(WithoutBlocks(Pages.TextOf(document))))
        {
            string target = link.Groups["target"].Value;
            if (target.Contains("://", StringComparison.Ordinal))
            {
                Assert.True(Uri.TryCreate(target, UriKind.Absolute, out Uri? uri) && uri.Scheme == "https", $"{document} links to {target}, which is no address");
                continue;
            }

            string[] parts = target.Split('#', 2);
            string path = parts[0].Length == 0 ? Path.Combine(Repository.Root, document) : Path.GetFullPath(Path.Combine(folder, parts[0]));
            Assert.True(File.Exists(path) || Directory.Exists(path), $"{document} links to {target}, which is not there");
            if (parts.Length > 1)
                Assert.True(Anchors(File.ReadAllText(path)).Contains(parts[1]), $"{document} links to {target}: that page has no such heading");
        }
    }

    [Fact]
    public void Every_protocol_fact_that_is_cited_stands_on_the_page_of_them()
    {
        HashSet<string> facts = [.. FactStated().Matches(Pages.TextOf("docs/protocols.md")).Select(fact => fact.Groups["id"].Value)];
        string[] sources = [.. new[] { "src", "spec", "tests", "docs/decisions" }
            .SelectMany(folder => Directory.GetFiles(Path.Combine(Repository.Root, folder), "*", SearchOption.AllDirectories))
            .Where(file => file.EndsWith(".fs", StringComparison.Ordinal) || file.EndsWith(".cs", StringComparison.Ordinal) || file.EndsWith(".md", StringComparison.Ordinal))];
        string[] cited = [.. sources.SelectMany(file => FactCited().Matches(File.ReadAllText(file)).Select(fact => fact.Value)).Distinct()];
        Assert.Contains("SK-12", cited);
        Assert.Empty(cited.Except(facts));
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void Every_target_of_make_in_a_document_exists(string document)
    {
        string makefile = Pages.TextOf("Makefile");
        foreach (Match command in MakeCommand().Matches(Pages.TextOf(document)))
            Assert.Contains($"\n{command.Groups["target"].Value}:", makefile, StringComparison.Ordinal);
    }

    private static async Task CheckAsync(string place, string yaml)
    {
        string path = Path.GetTempFileName();
        await File.WriteAllTextAsync(path, yaml);
        (int status, _, string errors) = await ChildProcess.RunAsync(Repository.Binary, ["check", "--config", path]);
        File.Delete(path);
        // Files that an example names (keys, certificates, logs) exist only where it is used.
        string[] faults = [.. errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(l => !l.StartsWith("warning:", StringComparison.Ordinal) && !l.Contains("/etc/", StringComparison.Ordinal))];
        Assert.True(status == 0 || faults.Length == 0, $"{place}:\n{yaml}\n{string.Join('\n', faults)}");
    }

    /// <summary>What a heading is called in an address: in small letters, without punctuation, with hyphens for spaces.</summary>
    private static HashSet<string> Anchors(string text) =>
        [.. Heading().Matches(WithoutBlocks(text)).Select(h => Punctuation().Replace(h.Groups["title"].Value.Trim().ToLowerInvariant(), "").Replace(' ', '-'))];

    private static string WithoutBlocks(string text) => Regex.Replace(text, "^```.*?^```$", "", RegexOptions.Singleline | RegexOptions.Multiline);

    /// <summary>As a row of a table, or as an item of a list.</summary>
    [GeneratedRegex(@"^(\| |- \*\*)(?<id>[A-Z]+\d?-\d+)(\*\* | \|)", RegexOptions.Multiline)]
    private static partial Regex FactStated();

    /// <summary>Not a version of TLS (`TLS-1.2`).</summary>
    [GeneratedRegex(@"\b(PP[12]?|TLV|TLS|SNI|ALPN|CH|END|SK|SD|ST|SE)-\d+\b(?!\.\d)")]
    private static partial Regex FactCited();

    [GeneratedRegex(@"^server:", RegexOptions.Multiline)]
    private static partial Regex WholeConfiguration();

    [GeneratedRegex(@"\]\((?<target>[^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^#+ (?<title>.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex Punctuation();

    [GeneratedRegex(@"(?:^|`|\$ )make (?<target>[a-z][a-z-]*)", RegexOptions.Multiline)]
    private static partial Regex MakeCommand();
}
