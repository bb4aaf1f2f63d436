using System.Globalization;
using System.Security;
using System.Text;

namespace Bitflow.Bench.Report;

/// <summary>Ratios as bars beside a line at 1, the best peer: an SVG written by hand, light or dark as its reader's page is.</summary>
internal static class Chart
{
    private const int LabelWidth = 330;
    private const int BarsWidth = 420;
    private const int NumberWidth = 70;
    private const int RowHeight = 24;
    private const int Top = 64;

    /// <summary>Ratios beyond this are cut off, with an arrow's worth of text beside them.</summary>
    private const double Widest = 2.0;

    public static string Draw(string title, string machine, IReadOnlyList<Comparison> rows)
    {
        int height = Top + rows.Count * RowHeight + 34;
        int width = LabelWidth + BarsWidth + NumberWidth;
        var svg = new StringBuilder();
        svg.AppendLine(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">");
        svg.AppendLine("<style>text{font:13px system-ui,sans-serif;fill:#24292f}.s{font-size:11px;fill:#57606a}.t{font-weight:600;font-size:15px}"
            + ".g{fill:#2da44e}.b{fill:#bf8700}.w{stroke:#24292f}.a{stroke:#d0d7de}.one{stroke:#cf222e}"
            + "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#8d96a0}.w{stroke:#e6edf3}.a{stroke:#30363d}}</style>");
        svg.AppendLine(CultureInfo.InvariantCulture, $"<text class=\"t\" x=\"8\" y=\"22\">{Escape(title)}</text>");
        svg.AppendLine(CultureInfo.InvariantCulture, $"<text class=\"s\" x=\"8\" y=\"40\">{Escape(machine)}</text>");
        int bottom = Top + rows.Count * RowHeight;
        for (double at = 0; at <= Widest; at += 0.5)
        {
            string kind = at == 1 ? "one" : "a";
            svg.AppendLine(CultureInfo.InvariantCulture, $"<line class=\"{kind}\" x1=\"{X(at):F1}\" x2=\"{X(at):F1}\" y1=\"{Top - 6}\" y2=\"{bottom}\"/>");
            svg.AppendLine(CultureInfo.InvariantCulture, $"<text class=\"s\" x=\"{X(at):F1}\" y=\"{bottom + 16}\" text-anchor=\"middle\">{(at == 1 ? "best peer" : at.ToString("0.0", CultureInfo.InvariantCulture))}</text>");
        }
        for (int i = 0; i < rows.Count; i++)
            Row(svg, rows[i], Top + i * RowHeight);
        svg.AppendLine("</svg>");
        return svg.ToString();
    }

    private static void Row(StringBuilder svg, Comparison row, int top)
    {
        double middle = top + RowHeight / 2.0;
        string label = $"{row.Workload.Title}: {Measures.Metrics.Title(row.Metric, row.Workload.Unit).Split(',')[0]}";
        svg.AppendLine(CultureInfo.InvariantCulture, $"<text x=\"{LabelWidth - 10}\" y=\"{middle + 4:F1}\" text-anchor=\"end\">{Escape(label)}</text>");
        svg.AppendLine(CultureInfo.InvariantCulture, $"<rect class=\"{(row.Ratio <= 1 ? "g" : "b")}\" x=\"{LabelWidth}\" y=\"{top + 4}\" width=\"{X(row.Ratio) - LabelWidth:F1}\" height=\"{RowHeight - 8}\" rx=\"2\"/>");
        svg.AppendLine(CultureInfo.InvariantCulture, $"<line class=\"w\" x1=\"{X(row.Low):F1}\" x2=\"{X(row.High):F1}\" y1=\"{middle:F1}\" y2=\"{middle:F1}\"/>");
        svg.AppendLine(CultureInfo.InvariantCulture, $"<text x=\"{LabelWidth + BarsWidth + 10}\" y=\"{middle + 4:F1}\">{row.Ratio:F2}</text>");
    }

    private static double X(double ratio) => LabelWidth + Math.Clamp(ratio, 0, Widest) / Widest * BarsWidth;

    private static string Escape(string text) => SecurityElement.Escape(text);
}
