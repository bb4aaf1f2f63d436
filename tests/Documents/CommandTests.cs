using System.Text.RegularExpressions;
using Xunit;

namespace Bitflow.Tests.Documents;

/// <summary>
/// Every command in a page is run here, in the page's order, and says what the page shows. What cannot run here carries a comment before
/// its block, `&lt;!-- not run: why --&gt;`, and is counted below.
/// </summary>
public sealed partial class CommandTests
{
    /// <summary>Blocks that are not run, a page. A new one is added here, where a reader of the change sees it.</summary>
    private static readonly Dictionary<string, int> Exemptions = new()
    {
        ["README.md"] = 1,
        ["CONTRIBUTING.md"] = 2,
        ["docs/getting-started.md"] = 1,
        ["docs/many.md"] = 1,
        ["docs/operations.md"] = 1,
    };

    public static TheoryData<string> PagesWithCommands =>
        [.. Pages.All.Where(page => Pages.BlocksOf(page).Any(block => block.IsShell && block.Exemption is null))];

    public static TheoryData<string> AllPages => [.. Pages.All];

    [Theory]
    [MemberData(nameof(PagesWithCommands))]
    public async Task Every_command_of_a_page_runs_and_says_what_the_page_shows(string page)
    {
        using var shell = new PageShell();
        foreach (Block block in Pages.BlocksOf(page))
        {
            if (block.File is { } name)
                await File.WriteAllTextAsync(Path.Combine(shell.Folder, name), block.Text);
            if (!block.IsShell || block.Exemption is not null)
                continue;
            (string Command, string? Shown)[] commands = [.. block.Commands()];
            for (int i = 0; i < commands.Length; i++)
                await shell.RunAsync(block.Place, commands[i].Command, commands[i].Shown, block.Serves && i == commands.Length - 1);
        }
    }

    [Fact]
    public void What_is_not_run_says_why_and_is_counted()
    {
        Block[] exempt = [.. Pages.All.SelectMany(Pages.BlocksOf).Where(block => block.Exemption is not null)];
        Assert.All(exempt, block => Assert.True(block.Exemption!.Length >= 10, $"{block.Place} does not say why it is not run"));
        Assert.Equal(Exemptions.OrderBy(e => e.Key, StringComparer.Ordinal), exempt.GroupBy(b => b.Page).ToDictionary(g => g.Key, g => g.Count()).OrderBy(e => e.Key, StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(AllPages))]
    public void No_command_hides_in_a_block_that_is_not_run(string page)
    {
        string[] known = ["sh", "console", "yaml", "fsharp", "haproxy", "nginx", "ini", "text"];
        foreach (Block block in Pages.BlocksOf(page))
        {
            // What the explorations print is compared by scripts/explore.
            Assert.True(known.Contains(block.Language) || page == "docs/exploring.md", $"{block.Place}: a block in no known language: \"{block.Language}\"");
            Assert.True(block.IsShell || !Command().IsMatch(block.Text), $"{block.Place}: a command in a block of {block.Language}");
        }

        string prose = Regex.Replace(Pages.TextOf(page), "^```.*?^```$", "", RegexOptions.Singleline | RegexOptions.Multiline);
        Match indented = IndentedCommand().Match(prose);
        Assert.False(indented.Success, $"{page}: \"{indented.Value.Trim()}\" stands in no block of sh or console");
    }

    [GeneratedRegex(@"^(\$ |make |dotnet |bitflow |kill |curl |systemctl |kubectl |sudo )", RegexOptions.Multiline)]
    private static partial Regex Command();

    [GeneratedRegex(@"^    (\$ |make |dotnet |bitflow |kill |curl |nc |systemctl |kubectl |sudo |apt).*$", RegexOptions.Multiline)]
    private static partial Regex IndentedCommand();
}
