using Bitflow.Tests.Fixtures;

namespace Bitflow.Tests.Documents;

/// <summary>The pages that people read, by their paths in the checkout.</summary>
internal static class Pages
{
    public static IReadOnlyList<string> All { get; } =
    [
        "README.md", "CONTRIBUTING.md", "CHANGELOG.md",
        .. new[] { "docs", "deploy" }
            .SelectMany(folder => Directory.GetFiles(Path.Combine(Repository.Root, folder), "*.md", SearchOption.AllDirectories))
            .Select(path => Path.GetRelativePath(Repository.Root, path))
            .Order(StringComparer.Ordinal),
    ];

    public static string TextOf(string page) => File.ReadAllText(Path.Combine(Repository.Root, page));

    public static IEnumerable<Block> BlocksOf(string page) => Block.Of(page, TextOf(page));
}
