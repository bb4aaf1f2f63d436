using System.Text;
using Spectre.Console;

namespace Bitflow.App.Commands.Top;

/// <summary>
/// A table of one line a row, whatever the width: columns of words give way first, those that no longer fit are left out from the right. (A row that
/// is broken into several lines cannot be counted on to fit a screen.)
/// </summary>
/// <param name="titles">One that begins with `>` is of numbers: aligned to the right, never cut. One that begins with `&lt;` is of addresses: they differ at their end, which is what stays of one that is cut.</param>
internal sealed class TopTable(params string[] titles)
{
    private const string Gap = "  ";

    /// <summary>A column of words is not made narrower than this.</summary>
    private const int NarrowestWords = 8;

    /// <summary>Nor one of addresses: the last number of one of IPv4 and the port are seen.</summary>
    private const int NarrowestAddresses = 14;

    private readonly List<(string Text, Style Style)[]> _rows = [[.. titles.Select(static title => (title.TrimStart('>', '<'), TopScreen.Faint))]];

    public void Add(params (string Text, Style Style)[] cells) => _rows.Add(cells);

    /// <summary>The head and the rows, as they are seen in a window so many characters wide.</summary>
    public IEnumerable<Paragraph> Lines(int width)
    {
        int[] widths = Fit(width);
        foreach ((string Text, Style Style)[] row in _rows)
        {
            var line = new Paragraph();
            for (int i = 0; i < widths.Length; i++)
                line.Append((i == 0 ? "" : Gap) + Fill(i, row[i].Text, widths[i]), row[i].Style);
            yield return line;
        }
    }

    /// <summary>The same for a file or a pipe: nothing is cut, nothing is coloured.</summary>
    public IEnumerable<string> PlainLines()
    {
        int[] widths = Fit(int.MaxValue);
        return _rows.Select(row => string.Join(Gap, row.Select((cell, i) => Fill(i, cell.Text, widths[i]))).TrimEnd());
    }

    /// <summary>The text, or its beginning and a sign that there was more.</summary>
    public static string Cut(string text, int width)
    {
        if (Width(text) <= width)
            return text;
        var kept = new StringBuilder();
        int used = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            used += Width(rune.ToString());
            if (used > width - 1)
                break;
            kept.Append(rune);
        }

        return kept.Append('…').ToString();
    }

    /// <summary>The text, or a sign that there was more and its end.</summary>
    public static string CutBefore(string text, int width)
    {
        while (Width(text) > width)
            text = "…" + string.Concat(text.EnumerateRunes().Skip(text[0] == '…' ? 2 : 1));
        return text;
    }

    private int[] Fit(int width)
    {
        int[] widths = [.. titles.Select((_, i) => _rows.Max(row => Width(row[i].Text)))];
        while (Total() > width)
        {
            int widest = Enumerable.Range(0, widths.Length).MaxBy(i => widths[i] - Narrowest(i));
            if (widths[widest] > Narrowest(widest))
                widths[widest]--;
            else if (widths.Length > 1)
                widths = widths[..^1];
            else
                break;
        }

        return widths;

        int Narrowest(int column) => IsNumber(column) ? widths[column] : IsAddress(column) ? NarrowestAddresses : NarrowestWords;

        long Total() => widths.Sum(static each => (long)each) + (Gap.Length * (widths.Length - 1));
    }

    private bool IsNumber(int column) => titles[column][0] == '>';

    private bool IsAddress(int column) => titles[column][0] == '<';

    private string Fill(int column, string text, int width)
    {
        text = IsAddress(column) ? CutBefore(text, width) : Cut(text, width);
        string space = new(' ', Math.Max(0, width - Width(text)));
        return IsNumber(column) ? space + text : text + space;
    }

    /// <summary>In cells of a terminal: some letters take two.</summary>
    private static int Width(string text) => text.GetCellWidth();
}
